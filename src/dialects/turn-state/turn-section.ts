/**
 * The mailboxes that a turn has acquired, and the time limits of the turn.
 *
 * Invariants
 *  H1  Mailboxes are acquired in the order of their keys, so two turns never wait for each other.
 *  H2  Every mailbox is released, however the turn ends.
 *  H3  Code inside the turn that acquires one of its mailboxes again is rejected at once.
 */
import { onAbort } from "../../../actors/scope/abort.ts";
import { ScopeMutationTimeoutError, StateSealedError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { ExclusiveSection, SectionOverError } from "../../../actors/scope/exclusive.ts";
import type { TurnPolicy } from "./policy.ts";
import type { Mailbox, Vault } from "./vault.ts";

/** The time limits of a turn. */
type TurnLimits = Pick<TurnPolicy, "timeoutMs" | "handlerTimeoutMs" | "signal" | "clock">;

/** The mailboxes of one turn. */
export class TurnSection {
  readonly exclusive: ExclusiveSection;
  readonly #limits: TurnLimits;
  readonly #mailboxes: readonly Mailbox[];
  /** Made when it is first needed: most turns never need it. */
  #abort: AbortController | null = null;

  private constructor(mailboxes: readonly Mailbox[], limits: TurnLimits) {
    this.#mailboxes = mailboxes;
    this.#limits = limits;
    this.exclusive = new ExclusiveSection(mailboxes.map(({ actor }) => actor));
  }

  /** Acquires the mailboxes of `keys`. Rejects with `ScopeMutationTimeoutError` and the like. */
  static async acquire(
    vault: Vault,
    keys: readonly string[],
    limits: TurnLimits,
  ): Promise<TurnSection> {
    limits.signal?.throwIfAborted();
    const mailboxes: Mailbox[] = [];
    try {
      for (const key of keys.toSorted()) mailboxes.push(await vault.mailbox(key));
      const section = new TurnSection(mailboxes, limits);
      await section.#acquire();
      return section;
    } catch (error) {
      for (const mailbox of mailboxes) mailbox.done();
      throw error;
    }
  }

  /** Aborts when the turn is abandoned: nothing of it may be saved any more. */
  get signal(): AbortSignal {
    if (this.#abort !== null) return this.#abort.signal;
    const abort = new AbortController();
    this.#abort = abort;
    this.exclusive.revoked.catch((reason: unknown) => abort.abort(reason));
    return abort.signal;
  }

  /** Runs the turn's code within its time limit. */
  async run<T>(code: () => T | Promise<T>): Promise<T> {
    const limit = this.#limit("running", this.#limits.handlerTimeoutMs);
    limit.start((reason) => this.exclusive.revoke(reason));
    try {
      return await this.exclusive.run(1, code);
    } finally {
      limit.stop();
    }
  }

  /** Waits for `work`, or throws the reason for which the turn lost its mailboxes. */
  during<T>(work: Promise<T>): Promise<T> {
    return sealed(this.exclusive.during(work));
  }

  /** Runs a write. When the turn loses its mailboxes meanwhile, the outcome is unknown. */
  writing<T>(write: () => Promise<T>): Promise<T> {
    return sealed(this.exclusive.writing(write));
  }

  /** Releases everything (H2). */
  release(): void {
    this.exclusive.release();
    for (const mailbox of this.#mailboxes) mailbox.done();
  }

  async #acquire(): Promise<void> {
    const forever = { timeoutMs: Infinity };
    // One idle mailbox is acquired at once. Of several, another turn may acquire the second first.
    if (this.#mailboxes.length === 1 && this.#mailboxes[0]?.actor.idle === true)
      return void (await this.exclusive.acquire(forever));
    const abort = new AbortController();
    const limit = this.#limit("queued", this.#limits.timeoutMs);
    limit.start((reason) => abort.abort(reason));
    try {
      // The wait is limited here: the kernel's limit would include the time inside the section.
      await this.exclusive.acquire({ ...forever, signal: abort.signal });
    } finally {
      limit.stop();
    }
  }

  #limit(phase: "queued" | "running", timeoutMs: number): Limit {
    const { signal, clock } = this.#limits;
    const scope = this.#mailboxes[0]?.actor.identity;
    return new Limit({ signal, clock, timeoutMs, phase, scope });
  }
}

/** Code of the turn that continues after the end of the turn uses a sealed state. */
function sealed<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw error instanceof SectionOverError ? new StateSealedError() : error;
  });
}

interface LimitParts extends Pick<TurnLimits, "signal" | "clock" | "timeoutMs"> {
  readonly phase: "queued" | "running";
  readonly scope: ScopeIdentity | undefined;
}

/** A time limit and the caller's signal, whichever comes first. */
class Limit {
  readonly #parts: LimitParts;
  #timer: unknown = null;
  #letGo: (() => void) | null = null;

  constructor(parts: LimitParts) {
    this.#parts = parts;
  }

  start(giveUp: (reason: unknown) => void): void {
    const { signal, clock, timeoutMs, phase, scope } = this.#parts;
    if (signal !== undefined) {
      const listener = (): void => giveUp(signal.reason);
      if (signal.aborted) listener();
      else this.#letGo = onAbort(signal, listener);
    }
    if (timeoutMs === Infinity) return;
    this.#timer = clock.setTimeout(() => {
      giveUp(new ScopeMutationTimeoutError({ timeoutMs, phase }, { scope }));
    }, timeoutMs);
  }

  stop(): void {
    if (this.#timer !== null) this.#parts.clock.clearTimeout(this.#timer);
    this.#letGo?.();
  }
}
