/**
 * The mailboxes a turn holds, and how long it may.
 *
 * Invariants
 *  H1  Mailboxes are taken in the order of their keys, so two turns never wait for each other.
 *  H2  Every mailbox is given back, however the turn ends.
 *  H3  Code that runs in the turn and asks for one of its mailboxes is refused, not left waiting.
 */
import { ScopeMutationTimeoutError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import type { Hold } from "../../../actors/solo.ts";
import { Turn } from "../../../actors/turn.ts";
import type { TurnPolicy } from "./policy.ts";
import type { Mailbox, Vault } from "./vault.ts";

/** How long a turn may take. */
type Patience = Pick<TurnPolicy, "timeoutMs" | "handlerTimeoutMs" | "signal" | "clock">;

/** The mailboxes of one turn. */
export class Holds {
  readonly #patience: Patience;
  readonly #abort = new AbortController();
  readonly #mailboxes: Mailbox[] = [];
  readonly #holds: Hold[] = [];
  readonly #give = (): void => this.#abort.abort(this.#patience.signal?.reason);
  #timer: unknown = null;

  private constructor(patience: Patience) {
    this.#patience = patience;
    patience.signal?.addEventListener("abort", this.#give, { once: true });
    if (patience.signal?.aborted === true) this.#give();
  }

  /** Takes the mailboxes of `keys`. Rejects with `ScopeMutationTimeoutError` and the like. */
  static async take(vault: Vault, keys: readonly string[], patience: Patience): Promise<Holds> {
    const holds = new Holds(patience);
    try {
      await holds.#take(vault, keys.toSorted());
      return holds;
    } catch (error) {
      holds.release();
      throw error;
    }
  }

  /** Aborts when the turn lost its mailboxes: it may not save any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The holds, for a vault that saves under them. */
  get all(): readonly Hold[] {
    return this.#holds;
  }

  /** True when the turn may not save any more. */
  get lost(): boolean {
    return this.#abort.signal.aborted || this.#holds.some((hold) => hold.ended);
  }

  /** Runs the turn's code, for as long as it may take. */
  async run<T>(code: () => T | Promise<T>): Promise<T> {
    const marks: Turn[] = [];
    const marked = this.#mailboxes.reduce<() => T | Promise<T>>((inner, { actor }) => {
      const mark = new Turn(1);
      marks.push(mark);
      return () => mark.run(actor, actor.identity, inner);
    }, code);
    this.#arm(this.#patience.handlerTimeoutMs, "running");
    try {
      return await this.during((async () => marked())());
    } finally {
      this.#disarm();
      for (const mark of marks) mark.end();
    }
  }

  /** Waits for `work`, or throws what made the turn lose its mailboxes. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([...this.#holds.map((hold) => hold.lost), work]);
  }

  /** Runs a write: who loses his mailboxes meanwhile cannot know what came of it. */
  async writing<T>(write: () => Promise<T>): Promise<T> {
    this.#abort.signal.throwIfAborted();
    await this.during(Promise.resolve());
    for (const hold of this.#holds) hold.writing(true);
    try {
      return await this.during(write());
    } finally {
      for (const hold of this.#holds) hold.writing(false);
    }
  }

  /** Gives everything back (H2). */
  release(): void {
    this.#disarm();
    this.#patience.signal?.removeEventListener("abort", this.#give);
    for (const hold of this.#holds) hold.release();
    for (const mailbox of this.#mailboxes) mailbox.done();
    this.#mailboxes.length = 0;
  }

  async #take(vault: Vault, keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#mailboxes.push(await vault.mailbox(key));
    // The wait is ours to limit: the kernel's limit counts what runs in the hold, too.
    const options = { signal: this.#abort.signal, timeoutMs: Infinity };
    for (const { actor } of this.#mailboxes) {
      this.#scope = actor.identity;
      const waiting = actor.hold(options);
      if (this.#timer === null) this.#arm(this.#patience.timeoutMs, "queued");
      this.#holds.push(await waiting);
    }
    this.#disarm();
  }

  /** The scope that was asked for last, for the error. */
  #scope: ScopeIdentity | undefined;

  #arm(timeoutMs: number, phase: "queued" | "running"): void {
    if (timeoutMs === Infinity) return;
    this.#timer = this.#patience.clock.setTimeout(() => {
      const scope = this.#scope;
      this.#abort.abort(new ScopeMutationTimeoutError({ timeoutMs, phase }, { scope }));
    }, timeoutMs);
  }

  #disarm(): void {
    if (this.#timer !== null) this.#patience.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
