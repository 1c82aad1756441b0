/**
 * Exclusive sections: one caller has several scopes to itself for a while. Transactions, turns of
 * dialects and their locks use them.
 *
 *     acquire, one scope after another ──▶ run, during, writing ──▶ release
 *                     └──timeout, abort, stop of one scope, revoke──▶ revoked
 *
 * Invariants
 *  X1  Scopes are acquired in the order given. Callers that use the same order (that of their keys)
 *      never wait for each other in a circle. Code that acquires a scope while its section has
 *      others counts as waiting for it, so other circles are found.
 *  X2  Nothing may be committed in a revoked section. A write that was under way has an unknown
 *      outcome, and its scopes read the store before they continue.
 *  X3  Every scope is released once, however the section ends, also one that is acquired late.
 *  X4  Code of the section that calls one of its scopes from outside is refused; it does not wait.
 */
import type { Claim, Claimable } from "./claim.ts";
import type { MutationOptions, MutationContext } from "../protocol.ts";
import type { RecordWait } from "./record-lease.ts";
import { RunContext, type Held } from "./reentrancy.ts";
import type { TimeLimit } from "./time-limit.ts";
import { codeOf, SECTIONS, type Trace, traceOf } from "./trace.ts";

/** Some scopes, acquired together; see the head of this file. */
export class ExclusiveSection {
  /** Rejects when the section is revoked; may never settle once it was released. */
  readonly revoked: Promise<never>;
  readonly #scopes: readonly Claimable[];
  readonly #claims: Claim[] = [];
  #trace: Trace | null = null;
  /** How its code ended. */
  #code = "ok";
  #isReleased = false;
  /** The reason given to `revoke`. */
  #reason: { readonly reason: unknown } | null = null;
  #revoke: (reason: unknown) => void = () => undefined;

  /** Acquires nothing; call `acquire` next. */
  constructor(scopes: readonly Claimable[]) {
    this.#scopes = scopes;
    this.revoked = new Promise((_, reject) => {
      this.#revoke = reject;
    });
    this.revoked.catch(() => undefined); // Code of the section receives it by `during`.
  }

  /**
   * Acquires the scopes, and with `records` then their records at the stores; rejects like a
   * mutation on timeout and abort.
   */
  async acquire(options?: MutationOptions, records?: RecordWait): Promise<this> {
    const [first] = this.#scopes;
    if (SECTIONS.hasSubscribers && first !== undefined) {
      const known = { operation: "exclusive", batchSize: this.#scopes.length };
      this.#trace = traceOf(SECTIONS, first, known);
      this.#trace?.waits();
      this.#trace?.run(() => undefined); // Its code runs later, in the same stores.
    }
    try {
      for (const [index, scope] of this.#scopes.entries())
        await this.during(this.#claim(scope, this.#scopes.slice(0, index), options));
      if (records !== undefined) await this.keepRecords(new Set(this.#scopes), records);
      this.#trace?.begin();
      return this;
    } catch (error) {
      this.#trace?.settled(codeOf(error));
      await this.finish();
      throw error;
    }
  }

  /** Acquires the scopes within a limit on the time of waiting, which ends with it. */
  async acquireWithin(limit: TimeLimit, records = false): Promise<this> {
    const waiting = new AbortController();
    const { signal } = waiting;
    const abort = (reason: unknown): void => waiting.abort(reason);
    limit.start(abort);
    this.revoked.catch(abort);
    try {
      // The claims themselves have no limit: it would include the time of the section.
      const options = { timeoutMs: Infinity, signal };
      return await this.acquire(options, records ? { signal, section: true } : undefined);
    } finally {
      limit.stop();
    }
  }

  /** Acquires the records of some of its scopes, in their order; `finish` releases them. */
  async keepRecords(scopes: ReadonlySet<object>, wait: RecordWait): Promise<void> {
    for (const [index, claim] of this.#claims.entries())
      if (scopes.has(this.#scopes[index] ?? claim)) await this.during(claim.keepRecord(wait));
  }

  /** The calls of its code on each scope, in the order of the scopes. */
  get calls(): Claim[] {
    return this.#claims.map(({ calls }) => calls);
  }

  /** True when no commit is allowed any more: the section was revoked or released. */
  get ended(): boolean {
    return this.#isReleased || this.#reason !== null || this.#claims.some(({ ended }) => ended);
  }

  /** For work that waits in the section: nothing waits for it any more. */
  get settled(): boolean {
    return this.ended;
  }

  /** Calls back when the section is revoked. */
  onSettled(callback: () => void): void {
    this.revoked.catch(callback);
  }

  /** Ends the right to commit; `release` releases the scopes. */
  revoke(reason: unknown): void {
    this.#reason ??= { reason };
    this.#revoke(reason);
  }

  /** Runs code of the section (X4); its `signal` aborts when the section is revoked. */
  async run<T>(attempt: number, code: (context: MutationContext) => T | Promise<T>): Promise<T> {
    const context = new RunContext(attempt);
    this.#trace?.set({ attempt });
    this.revoked.catch((reason: unknown) => context.lose(reason));
    for (const { lost } of this.#claims) lost?.catch((reason: unknown) => context.abort(reason));
    const start = async (): Promise<T> => code(context);
    const traced = (): Promise<T> => this.#trace?.within(start) ?? start();
    try {
      const result = await this.during(context.runJointly(this.#scopes, traced));
      this.#code = "ok";
      return result;
    } catch (error) {
      this.#code = codeOf(error);
      context.lose(error);
      throw error;
    } finally {
      context.end();
    }
  }

  /** Waits for `work`; rejects with the reason as soon as the section is revoked. */
  async during<T>(work: Promise<T>): Promise<T> {
    const done = await Promise.race([this.revoked, work]);
    if (!this.ended) return done;
    if (this.#reason !== null) throw this.#reason.reason;
    // A released claim never rejects, so it is checked here.
    if (this.#claims.every((claim) => claim.released || !claim.ended))
      throw new SectionOverError("a scope was given back before the work on it had ended");
    return this.revoked;
  }

  /** Runs a write: when the section is revoked meanwhile, its outcome is unknown. */
  async writing<T>(write: () => Promise<T>): Promise<T> {
    if (this.ended) await this.during(Promise.resolve());
    for (const claim of this.#claims) claim.unknown = true;
    try {
      return await this.during(write());
    } finally {
      for (const claim of this.#claims) claim.unknown = false;
    }
  }

  /** Releases every scope (X3). */
  release(): void {
    this.#isReleased = true;
    for (const claim of this.#claims) claim.release();
    this.#endTrace();
  }

  /** Releases the records, then the scopes; resolves when all are released. */
  async finish(): Promise<void> {
    this.#isReleased = true;
    await Promise.all(this.#claims.map((claim) => claim.finish()));
    this.#endTrace();
  }

  #endTrace(): void {
    this.#trace?.settled(this.#reason === null ? this.#code : codeOf(this.#reason.reason));
  }

  async #claim(
    scope: Claimable,
    held: readonly Held[],
    options: MutationOptions | undefined,
  ): Promise<void> {
    const asking = new RunContext(1);
    try {
      const claim = await asking.runJointly(held, () => scope.claim(options));
      if (this.#isReleased) return claim.release();
      this.#claims.push(claim);
      claim.revoked.catch((reason: unknown) => this.#revoke(reason));
    } finally {
      asking.end();
    }
  }
}

/** The work of a section continued after its scopes had been released. */
export class SectionOverError extends Error {
  override readonly name = "SectionOverError";
}

/** Runs `work` in an exclusive section; rejects early when the section is revoked. */
export async function exclusively<T>(
  scopes: readonly Claimable[],
  options: MutationOptions | undefined,
  work: (section: ExclusiveSection) => Promise<T>,
): Promise<T> {
  const section = await new ExclusiveSection(scopes).acquire(options);
  try {
    return await section.during(work(section));
  } finally {
    section.release();
  }
}

/** Options of an exclusive section of a user. */
export interface ExclusiveOptions extends Pick<MutationOptions, "signal" | "timeoutMs"> {}
