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
import type { Hold } from "../../../actors/scope/exclusive.ts";
import { Turn } from "../../../actors/scope/reentrancy.ts";
import type { TurnPolicy } from "./policy.ts";
import type { Mailbox, Vault } from "./vault.ts";

/** How long a turn may take. */
type Patience = Pick<TurnPolicy, "timeoutMs" | "handlerTimeoutMs" | "signal" | "clock">;

/** The mailboxes of one turn. */
export class Holds {
  readonly #patience: Patience;
  readonly #mailboxes: Mailbox[] = [];
  readonly #holds: Hold[] = [];
  /** Why the turn was given up. */
  #reason: { readonly reason: unknown } | null = null;
  /** Made when somebody asks for the signal: most never do. */
  #abort: AbortController | null = null;

  private constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Takes the mailboxes of `keys`. Rejects with `ScopeMutationTimeoutError` and the like. */
  static async take(vault: Vault, keys: readonly string[], patience: Patience): Promise<Holds> {
    patience.signal?.throwIfAborted();
    const holds = new Holds(patience);
    try {
      for (const key of keys.toSorted()) holds.#mailboxes.push(await vault.mailbox(key));
      await holds.#take();
      return holds;
    } catch (error) {
      holds.release();
      throw error;
    }
  }

  /** Aborts when the turn was given up: it may not save any more. */
  get signal(): AbortSignal {
    if (this.#abort !== null) return this.#abort.signal;
    const abort = new AbortController();
    this.#abort = abort;
    if (this.#reason !== null) abort.abort(this.#reason.reason);
    for (const { lost } of this.#holds) lost.catch((reason: unknown) => abort.abort(reason));
    return abort.signal;
  }

  /** The holds, for a vault that saves under them. */
  get all(): readonly Hold[] {
    return this.#holds;
  }

  /** True when the turn may not save any more. */
  get lost(): boolean {
    return this.#reason !== null || this.ended;
  }

  /** True when a mailbox is held no longer. */
  get ended(): boolean {
    return this.#holds.some((hold) => hold.ended);
  }

  /** Runs the turn's code, for as long as it may take. */
  async run<T>(code: () => T | Promise<T>): Promise<T> {
    const mark = new Turn(1);
    const actors = this.#mailboxes.map(({ actor }) => actor);
    try {
      return await this.during(this.#withinLimits((async () => mark.runJointly(actors, code))()));
    } finally {
      mark.end();
    }
  }

  /** Waits for `work`, or throws what made the turn lose its mailboxes. */
  async during<T>(work: Promise<T>): Promise<T> {
    const lost = this.#holds.map((hold) => hold.lost);
    const done = await Promise.race([...lost, work]);
    if (!this.ended) return done;
    if (this.#reason !== null) throw this.#reason.reason;
    // Code of the turn that goes on after its end: nothing else is going to say so.
    if (this.#holds.every((hold) => hold.released || !hold.ended)) throw new StateSealedError();
    return Promise.race(lost);
  }

  /** Runs a write: who loses his mailboxes meanwhile cannot know what came of it. */
  async writing<T>(write: () => Promise<T>): Promise<T> {
    if (this.#reason !== null) throw this.#reason.reason;
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
    for (const hold of this.#holds) hold.release();
    for (const mailbox of this.#mailboxes) mailbox.done();
    this.#mailboxes.length = 0;
  }

  async #take(): Promise<void> {
    const forever = { timeoutMs: Infinity };
    if (this.#mailboxes.every(({ actor }) => actor.idle)) {
      // Nobody is before us anywhere, so all can be had at once and there is no wait to limit.
      const holds = this.#mailboxes.map(({ actor }) => actor.hold(forever));
      const settled = await Promise.allSettled(holds);
      for (const each of settled) if (each.status === "fulfilled") this.#holds.push(each.value);
      const refused = settled.find((each) => each.status === "rejected");
      if (refused !== undefined) throw refused.reason;
      return;
    }
    const { signal, clock, timeoutMs } = this.#patience;
    const abort = new AbortController();
    const limit = new Limit({ signal, clock, timeoutMs, phase: "queued" });
    limit.start(this.#mailboxes[0]?.actor.identity, (reason) => abort.abort(reason));
    // The wait is ours to limit: the kernel's limit would count what runs in the hold, too.
    const options = { ...forever, signal: abort.signal };
    try {
      const held: Mailbox["actor"][] = [];
      for (const { actor } of this.#mailboxes) {
        const asking = new Turn(1); // Who waits for those that are held waits for this one, too.
        try {
          this.#holds.push(await asking.runJointly(held, () => actor.hold(options)));
        } finally {
          asking.end();
        }
        held.push(actor);
      }
    } finally {
      limit.stop();
    }
  }

  /** Waits for the handler, but no longer than the caller does. */
  #withinLimits<T>(work: Promise<T>): Promise<T> {
    const { signal, clock, handlerTimeoutMs: timeoutMs } = this.#patience;
    if (signal === undefined && timeoutMs === Infinity) return work;
    return new Promise((resolve, reject) => {
      const limit = new Limit({ signal, clock, timeoutMs, phase: "running" });
      limit.start(this.#mailboxes[0]?.actor.identity, (reason) => {
        this.#reason = { reason };
        this.#abort?.abort(reason);
        reject(reason);
      });
      work.finally(() => limit.stop()).then(resolve, reject);
    });
  }
}

interface LimitParts extends Pick<Patience, "signal" | "clock" | "timeoutMs"> {
  readonly phase: "queued" | "running";
}

/** A time limit and the caller's signal, whichever comes first. */
class Limit {
  readonly #parts: LimitParts;
  #timer: unknown = null;
  #letGo: (() => void) | null = null;

  constructor(parts: LimitParts) {
    this.#parts = parts;
  }

  start(scope: ScopeIdentity | undefined, giveUp: (reason: unknown) => void): void {
    const { signal, clock, timeoutMs, phase } = this.#parts;
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
