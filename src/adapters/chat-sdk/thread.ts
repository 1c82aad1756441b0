/**
 * The lock and the queue of a thread, in one scope, so that no step falls between them.
 *
 * A caller that is refused the lock enqueues its message in a later call, and the holder that finds
 * the queue empty releases the lock in a later call. A refused caller is therefore counted as one
 * that announced a message.
 *
 * Invariants
 *  L1  At most one token holds the lock; only the holder of the token extends or releases it.
 *  L2  The last dequeue of a holder waits for the messages that refused callers announced, for
 *      `claimMs` after the last refusal.
 *  L3  After it no caller is refused: `acquire` waits for the release, and wins or waits again.
 *  L4  A dequeue is the last one when it finds the queue empty and no live entry was taken since
 *      the empty dequeue before it: a holder that took some handles them and asks again.
 */
import type { QueueEntry } from "chat";
import type { Clock } from "../../../actors/protocol.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Scope } from "../../runtime/scope.ts";

/** The state of a thread. */
interface ThreadState {
  lock?: { token: string; until: number; hasTaken: boolean; isDrained: boolean };
  queue?: QueueEntry[];
  /** How many callers were refused and have not enqueued yet, and until when they count. */
  refused?: { count: number; until: number };
}

/** What a caller that wants the lock brings. */
interface Claim {
  readonly token: string;
  readonly ttlMs: number;
  /** How long it counts as one that announced a message when it is refused. */
  readonly claimMs: number;
}

/** The kind of threads; one without lock, queue and refused callers has no record. */
export const THREAD_KIND: Kind = defineKind({
  livesUntil(state) {
    const { lock, queue = [], refused } = state as ThreadState; // Only this file writes the kind.
    const ends = queue.map(({ expiresAt }) => expiresAt);
    return Math.max(lock?.until ?? 0, refused?.until ?? 0, ...ends);
  },
});

/** How often a waiting call looks at the store, which another process may have changed. */
const LOOK_MS = 20;

/** The result of a step that waits for another process or call. */
const WAIT = "wait";

/** The lock and the queue of a thread; see the head of this file. */
export class Thread {
  readonly #scope: Scope<ThreadState>;
  readonly #clock: Clock;

  constructor(scope: Scope<object>, clock: Clock) {
    this.#scope = scope;
    this.#clock = clock;
  }

  /**
   * Resolves to the end of the lock that `token` has now, `null` when it is refused. Waits for a
   * release at most as long as the lock had left.
   */
  acquire({ token, ttlMs, claimMs }: Claim): Promise<number | null> {
    let end = Infinity;
    return this.#untilDone((state, now) => {
      const { lock, refused } = state;
      if (lock === undefined || lock.until <= now) {
        state.lock = { token, until: now + ttlMs, hasTaken: false, isDrained: false };
        return state.lock.until;
      }
      end = Math.min(end, lock.until);
      if (lock.isDrained && now < end) return WAIT;
      const count = refused !== undefined && refused.until > now ? refused.count : 0;
      state.refused = { count: count + 1, until: now + claimMs };
      return null;
    });
  }

  /** Resolves to whether `token` still had the lock. */
  extend(token: string, ttlMs: number): Promise<boolean> {
    return this.#change(({ lock }, now) => {
      if (lock?.token !== token || lock.until <= now) return false;
      lock.until = now + ttlMs;
      return true;
    });
  }

  /** Releases the lock if `token` has it; without a token in any case. */
  async release(token?: string): Promise<void> {
    await this.#change((state) => {
      if (token === undefined || state.lock?.token === token) delete state.lock;
    });
  }

  /** Appends an entry, drops the oldest beyond `maxSize`; resolves to the length of the queue. */
  enqueue(entry: QueueEntry, maxSize: number, isHolder: boolean): Promise<number> {
    return this.#change((state) => {
      const queue = (state.queue ??= []);
      queue.push(entry);
      queue.splice(0, queue.length - maxSize);
      const { refused } = state;
      if (refused !== undefined && !isHolder) refused.count -= 1;
      if (refused?.count === 0) delete state.refused;
      return queue.length;
    });
  }

  /** Takes the oldest entry, frozen; `null`: there is none, and none is announced. */
  dequeue(): Promise<QueueEntry | null> {
    return this.#untilDone((state, now) => {
      const { lock, queue, refused } = state;
      const entry = queue?.shift();
      if (entry !== undefined) {
        if (lock !== undefined && entry.expiresAt >= now) lock.hasTaken = true;
        return entry;
      }
      if (lock === undefined || lock.until <= now) return null;
      if (lock.hasTaken) {
        lock.hasTaken = false;
        return null;
      }
      if (refused !== undefined && refused.until > now) return WAIT;
      delete state.refused;
      lock.isDrained = true;
      return null;
    });
  }

  /** The length of the queue. */
  async depth(): Promise<number> {
    return (await this.#scope.read()).queue?.length ?? 0;
  }

  #change<R>(step: (state: ThreadState, now: number) => R): Promise<R> {
    return this.#scope.transact((draft) => step(draft, this.#clock.now()));
  }

  /** Repeats a step until it need not wait. */
  async #untilDone<R>(step: (state: ThreadState, now: number) => R | typeof WAIT): Promise<R> {
    for (;;) {
      const { version } = this.#scope;
      const result = await this.#change(step);
      if (result !== WAIT) return result;
      // A change that was stored together with the step has been announced already.
      if (this.#scope.version === version) await this.#nextChange();
    }
  }

  /** Resolves at the next change that is seen here, or when it is time to look. */
  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        unsubscribe();
        this.#clock.clearTimeout(timer);
        resolve();
      };
      const unsubscribe = this.#scope.subscribe(done);
      const timer = this.#clock.setTimeout(done, LOOK_MS);
    });
  }
}
