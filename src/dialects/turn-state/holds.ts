/**
 * The mailboxes a turn holds, and how long it may.
 *
 * Invariants
 *  H1  Mailboxes are taken in the order of their keys, so two turns never wait for each other.
 *  H2  Every mailbox is given back, however the turn ends.
 *  H3  Code that runs in the turn and asks for one of its mailboxes is refused, not left waiting.
 */
import { onAbort } from "../../../actors/scope/abort.ts";
import { ScopeMutationTimeoutError, StateSealedError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { ExclusiveSection, SectionOverError } from "../../../actors/scope/exclusive.ts";
import type { TurnPolicy } from "./policy.ts";
import type { Mailbox, Vault } from "./vault.ts";

/** How long a turn may take. */
type Patience = Pick<TurnPolicy, "timeoutMs" | "handlerTimeoutMs" | "signal" | "clock">;

/** The mailboxes of one turn. */
export class Holds {
  readonly section: ExclusiveSection;
  readonly #patience: Patience;
  readonly #mailboxes: readonly Mailbox[];
  /** Made when it is first asked for: most never do. */
  #abort: AbortController | null = null;

  private constructor(mailboxes: readonly Mailbox[], patience: Patience) {
    this.#mailboxes = mailboxes;
    this.#patience = patience;
    this.section = new ExclusiveSection(mailboxes.map(({ actor }) => actor));
  }

  /** Takes the mailboxes of `keys`. Rejects with `ScopeMutationTimeoutError` and the like. */
  static async take(vault: Vault, keys: readonly string[], patience: Patience): Promise<Holds> {
    patience.signal?.throwIfAborted();
    const mailboxes: Mailbox[] = [];
    try {
      for (const key of keys.toSorted()) mailboxes.push(await vault.mailbox(key));
      const holds = new Holds(mailboxes, patience);
      await holds.#take();
      return holds;
    } catch (error) {
      for (const mailbox of mailboxes) mailbox.done();
      throw error;
    }
  }

  /** Aborts when the turn was given up: it may not save any more. */
  get signal(): AbortSignal {
    if (this.#abort !== null) return this.#abort.signal;
    const abort = new AbortController();
    this.#abort = abort;
    this.section.revoked.catch((reason: unknown) => abort.abort(reason));
    return abort.signal;
  }

  /** Runs the turn's code, for as long as it may take. */
  async run<T>(code: () => T | Promise<T>): Promise<T> {
    const limit = this.#limit("running", this.#patience.handlerTimeoutMs);
    limit.start((reason) => this.section.revoke(reason));
    try {
      return await this.section.run(1, code);
    } finally {
      limit.stop();
    }
  }

  /** Waits for `work`, or throws what made the turn lose its mailboxes. */
  during<T>(work: Promise<T>): Promise<T> {
    return sealed(this.section.during(work));
  }

  /** Runs a write: a turn that loses its mailboxes meanwhile cannot know what came of it. */
  writing<T>(write: () => Promise<T>): Promise<T> {
    return sealed(this.section.writing(write));
  }

  /** Gives everything back (H2). */
  release(): void {
    this.section.release();
    for (const mailbox of this.#mailboxes) mailbox.done();
  }

  async #take(): Promise<void> {
    const forever = { timeoutMs: Infinity };
    // One that is idle is ours at once. Of several another turn may take the second meanwhile.
    if (this.#mailboxes.length === 1 && this.#mailboxes[0]?.actor.idle === true)
      return void (await this.section.acquire(forever));
    const abort = new AbortController();
    const limit = this.#limit("queued", this.#patience.timeoutMs);
    limit.start((reason) => abort.abort(reason));
    try {
      // The wait is ours to limit: the kernel's limit would count what runs in the section, too.
      await this.section.acquire({ ...forever, signal: abort.signal });
    } finally {
      limit.stop();
    }
  }

  #limit(phase: "queued" | "running", timeoutMs: number): Limit {
    const { signal, clock } = this.#patience;
    const scope = this.#mailboxes[0]?.actor.identity;
    return new Limit({ signal, clock, timeoutMs, phase, scope });
  }
}

/** Code of the turn that goes on after its end uses a state that is sealed. */
function sealed<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    throw error instanceof SectionOverError ? new StateSealedError() : error;
  });
}

interface LimitParts extends Pick<Patience, "signal" | "clock" | "timeoutMs"> {
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
