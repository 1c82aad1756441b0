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
import type { Call, ExclusiveTask } from "./mailbox.ts";
import type { MutationOptions, MutationContext } from "../protocol.ts";
import { RunContext, type Held } from "./reentrancy.ts";

/** One scope of a section. */
export interface Claim {
  /** Rejects when the claim is revoked: timeout, abort, stop. No commit is allowed after that. */
  readonly revoked: Promise<never>;
  /** Releases the scope; its mailbox continues. */
  release(): void;
  /** Sets whether a write is under way: then a revoked claim means an unknown outcome (X2). */
  writing(isWriting: boolean): void;
  /** True once the claim was released or revoked. */
  readonly ended: boolean;
  /** True once the claim was released: then `revoked` may never settle. */
  readonly released: boolean;
}

/** A scope that can be claimed. */
export interface Claimable extends Held {
  claim(options?: MutationOptions): Promise<Claim>;
}

/** Submits a task that claims a scope until it is released; resolves when the task starts. */
export function claimBy(submit: (task: ExclusiveTask) => Promise<boolean>): Promise<Claim> {
  return new Promise((resolve, reject) => {
    let released = false;
    const granted = (call: Call, release: () => void): Claim => ({
      get revoked() {
        return revoked; // Not made yet when an idle scope grants it at once.
      },
      release: () => {
        released = true;
        release();
      },
      writing: (isWriting) => {
        task.unknown = isWriting;
      },
      get ended() {
        return released || call.settled;
      },
      get released() {
        return released;
      },
    });
    const task = {
      unknown: false,
      task: (call: Call): Promise<boolean> =>
        new Promise((release) => resolve(granted(call, () => release(false)))),
    };
    const revoked = submit(task).then(() => new Promise<never>(() => undefined));
    // Before the scope is granted this is the refusal.
    revoked.catch(reject);
  });
}

/** Some scopes, acquired together; see the head of this file. */
export class ExclusiveSection {
  readonly #scopes: readonly Claimable[];
  readonly #claims: Claim[] = [];
  #isReleased = false;
  /** The reason given to `revoke`. */
  #reason: { readonly reason: unknown } | null = null;
  #revoke: (reason: unknown) => void = () => undefined;
  /** Rejects when the section is revoked; may never settle once it was released. */
  readonly revoked: Promise<never>;

  /** Acquires nothing; call `acquire` next. */
  constructor(scopes: readonly Claimable[]) {
    this.#scopes = scopes;
    this.revoked = new Promise((_, reject) => {
      this.#revoke = reject;
    });
    this.revoked.catch(() => undefined); // Code of the section receives it by `during`.
  }

  /** Acquires the scopes; rejects like a mutation on timeout and abort. */
  async acquire(options?: MutationOptions): Promise<this> {
    try {
      for (const [index, scope] of this.#scopes.entries())
        await this.during(this.#claim(scope, this.#scopes.slice(0, index), options));
      return this;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** True when no commit is allowed any more: the section was revoked or released. */
  get ended(): boolean {
    return this.#isReleased || this.#reason !== null || this.#claims.some(({ ended }) => ended);
  }

  /** Ends the right to commit; `release` releases the scopes. */
  revoke(reason: unknown): void {
    this.#reason ??= { reason };
    this.#revoke(reason);
  }

  /** Runs code of the section (X4); its `signal` aborts when the section is revoked. */
  async run<T>(attempt: number, code: (context: MutationContext) => T | Promise<T>): Promise<T> {
    const context = new RunContext(attempt);
    this.revoked.catch((reason: unknown) => context.lose(reason));
    try {
      return await this.during(
        (async () => context.runJointly(this.#scopes, () => code(context)))(),
      );
    } catch (error) {
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
    if (this.#claims.every((claim) => claim.released || !claim.ended)) throw new SectionOverError();
    return this.revoked;
  }

  /** Runs a write: when the section is revoked meanwhile, its outcome is unknown. */
  async writing<T>(write: () => Promise<T>): Promise<T> {
    if (this.ended) await this.during(Promise.resolve());
    for (const claim of this.#claims) claim.writing(true);
    try {
      return await this.during(write());
    } finally {
      for (const claim of this.#claims) claim.writing(false);
    }
  }

  /** Releases every scope (X3). */
  release(): void {
    this.#isReleased = true;
    for (const claim of this.#claims) claim.release();
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

  constructor() {
    super("a scope was given back before the work on it had ended");
  }
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
