/**
 * The mailboxes that a turn has acquired, and the time limits of the turn.
 *
 * Invariants
 *  H1  Mailboxes are acquired in the order of their keys, so two turns never wait for each other.
 *  H2  Every mailbox is released, however the turn ends.
 *  H3  Code inside the turn that acquires one of its mailboxes again is rejected at once.
 */
import { StateSealedError } from "../../../actors/errors.ts";
import { TimeLimit } from "../../../actors/scope/time-limit.ts";
import { ExclusiveSection, SectionOverError } from "../../../actors/scope/exclusive.ts";
import { isError } from "../../../actors/realm.ts";
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
    // One idle mailbox is acquired at once. Of several, another turn may acquire the second first.
    if (this.#mailboxes.length === 1 && this.#mailboxes[0]?.actor.idle === true)
      return void (await this.exclusive.acquire({ timeoutMs: Infinity }));
    await this.exclusive.acquireWithin(this.#limit("queued", this.#limits.timeoutMs));
  }

  #limit(phase: "queued" | "running", timeoutMs: number): TimeLimit {
    const { signal, clock } = this.#limits;
    const scope = this.#mailboxes[0]?.actor.identity;
    return new TimeLimit({ signal, clock, timeoutMs, phase, scope });
  }
}

/** Code of the turn that continues after the end of the turn uses a sealed state. */
function sealed<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw isError(error) && error instanceof SectionOverError ? new StateSealedError() : error;
  });
}
