/** The timers of a runtime: those of each of its kinds that has any. */
import type { TimerWheel } from "../../../actors/time/timer-wheel.ts";
import type { ResolvedKind } from "../kinds.ts";
import type { ResidentParts, ResidentScope } from "../resident-scope.ts";
import { ResidentScope as PlainScope } from "../resident-scope.ts";
import { pollOption, type TimerSettings } from "../timer-types.ts";
import { type BookPort, TimerBook, type TimedId } from "./book.ts";
import { DueWatch, noticeDue } from "./due-watch.ts";
import { TimedScope } from "./timed-scope.ts";
import { duePrefix, hintOf } from "./timer-keys.ts";

/** Milliseconds until a kind without timers is asked for those of an earlier program. */
const EARLIER_MS = 60_000;

/** What the timers need of their runtime. */
export interface TimersPort extends BookPort {
  readonly wheel: TimerWheel;
  open(type: string, id: string): Promise<ResidentScope>;
}

/** See the head of this file. */
export class RuntimeTimers {
  readonly #port: TimersPort;
  readonly #pollMs: number;
  readonly #book: TimerBook;
  readonly #watches: DueWatch[] = [];
  #isStopped = false;

  /** Throws `TypeError` or `RangeError` for a bad setting. */
  constructor(port: TimersPort, settings: TimerSettings | undefined) {
    this.#port = port;
    this.#pollMs = pollOption(settings);
    this.#book = new TimerBook(port);
    this.#book.noticed.add((kind, due) => {
      noticeDue(this.#book.batched(kind).store, duePrefix(port.namespace, kind.type), due);
    });
  }

  /** Begins to fire the timers of a kind. */
  watch(kind: ResolvedKind): void {
    if (this.#isStopped) return;
    if (kind.timers === null) return this.#askLater(kind);
    this.#watches.push(
      new DueWatch(kind, {
        book: this.#book,
        wheel: this.#port.wheel,
        pollMs: this.#pollMs,
        open: async (type, id) => {
          const scope = await this.#port.open(type, id);
          if (scope instanceof TimedScope) return scope;
          throw new TypeError(`a scope of type "${type}" has no timers`);
        },
      }),
    );
  }

  /** Reports due timers of a kind that has none in this program, once. */
  #askLater(kind: ResolvedKind): void {
    const { store, type } = kind;
    const { durable, list } = store.supports; // Memory has none of an earlier program.
    if (kind.durability === "volatile" || type === "sequencer" || !durable || !list) return;
    const { clock, logger, namespace, wheel } = this.#port;
    const prefix = duePrefix(namespace, type);
    const ask = async (): Promise<void> => {
      if (this.#isStopped) return;
      for await (const key of store.list({ prefix, limit: 1 }))
        if ((hintOf(prefix, key)?.due ?? Infinity) <= clock.now())
          logger.error("due timers have no handler in this program; they are kept", { type });
    };
    // A store that is away is asked again.
    const askOrWait = (): Promise<void> =>
      ask().catch(() => void wheel.schedule(EARLIER_MS, askOrWait));
    wheel.schedule(EARLIER_MS, askOrWait);
  }

  /** A scope of a kind, with timers if that has any. */
  scope(parts: ResidentParts): ResidentScope {
    return parts.kind.timers === null ? new PlainScope(parts) : new TimedScope(parts, this.#book);
  }

  /** A scope that is not in memory was deleted, at the version `deleted`. */
  async forget(scope: TimedId, deleted: number): Promise<void> {
    if (scope.kind.timers !== null) await this.#book.forget(scope, deleted);
  }

  /** The keys of the records of a scope's timers. */
  async keysOf(scope: TimedId): Promise<string[]> {
    return scope.kind.durability === "volatile" ? [] : this.#book.keysOf(scope);
  }

  /** No timer is fired from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const watch of this.#watches) watch.stop();
  }

  /** Releases the memory of volatile kinds, after the scopes have ended. */
  close(): Promise<void> {
    return this.#book.close();
  }
}
