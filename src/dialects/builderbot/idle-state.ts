/**
 * `IdleState`: calls back when a user has been idle, all on one timer wheel.
 *
 * With a runtime the deadlines are stored per user, so they survive a restart (`idle-store.ts`). A
 * function cannot be stored, so after a restart they are reported to `onIdle`.
 *
 * Invariants
 *  I1  A callback is called at most once, after its entry was removed, and not before its time.
 *  I2  A callback that throws or rejects is logged and prevents no other callback.
 *  I3  Callbacks that are due in one tick are called in the order of their deadlines.
 *  I4  Every method works unbound: flows detach them and pass them on.
 */
import type { WheelHandle } from "../../../actors/time/timer-wheel.ts";
import { createTimerWheel, type TimerWheel } from "../../../actors/time/timer-wheel.ts";
import { safeCall } from "../../../actors/scope/safe-call.ts";
import { randomUUID } from "node:crypto";
import { IdleStore } from "./idle-store.ts";
import { botHome, sender, type BotHome, type BotStateOptions } from "./options.ts";
import type { BotContext } from "./single-state.ts";

/**
 * The argument of an idle callback. `next: true` = the time has passed, `false` = it was stopped.
 */
export interface IdleEvent {
  readonly next: boolean;
  readonly inRef: unknown;
  readonly [field: string]: unknown;
}

/** One wait for a user to be idle. */
export interface IdleRequest extends BotContext {
  /** Names the wait; a text or number when it must survive a restart. */
  readonly inRef: unknown;
  /** Seconds; 0 and less fire at the next tick. NaN throws a RangeError. */
  readonly timeInSeconds: number;
  readonly cb?: (event: IdleEvent) => void | Promise<void>;
}

/** A stored deadline that has passed. */
export interface IdleReport extends BotContext {
  readonly inRef: unknown;
}

/** Options of `IdleState`. */
export interface IdleStateOptions extends BotStateOptions {
  /** Called for deadlines that were armed before a restart. */
  readonly onIdle?: ((report: IdleReport) => void | Promise<void>) | undefined;
}

type Callback = ((event: IdleEvent) => unknown) | undefined;

interface Waiting {
  readonly from: string;
  readonly inRef: unknown;
  readonly cb: Callback;
  /** The key of the stored deadline; `null` when it is not stored. */
  readonly key: string | null;
  handle: WheelHandle | null;
}

/** The maximum delay of a callback, in milliseconds. */
const TICK_MS = 100;

/** Waits for users to be idle. */
export class IdleState {
  readonly #home: BotHome;
  /** `null`: the deadlines are not stored. */
  readonly #store: IdleStore | null;
  readonly #wheel: TimerWheel;
  readonly #onIdle: ((report: IdleReport) => unknown) | undefined;
  readonly #users = new Map<string, Set<Waiting>>();
  readonly #id = randomUUID();
  #next = 0;

  constructor(options: IdleStateOptions = {}) {
    this.#home = botHome("IdleState", options, ["onIdle"]);
    const { onIdle } = options;
    this.#onIdle = onIdle;
    const { clock, logger } = this.#home;
    const report = (from: string, inRef: unknown): void =>
      this.#call(() => onIdle?.({ from, inRef }), { next: true, inRef });
    this.#store =
      options.runtime === undefined
        ? null
        : new IdleStore(this.#home, {
            callBack: (from, key) => this.#callBack(from, key),
            report: onIdle && report,
          });
    // As in the original, a waiting callback keeps the process running.
    this.#wheel = createTimerWheel(clock, { tickMs: TICK_MS, unref: false, logger });
  }

  /** The number of pending waits. */
  get size(): number {
    return this.#wheel.size;
  }

  /**
   * Calls back when `from` has not been stopped for the given time. Throws `TypeError`, as the
   * methods below do, when `from` is not a text or empty.
   */
  readonly setIdleTime = ({ from, inRef, timeInSeconds, cb }: IdleRequest): void => {
    sender(from);
    if (typeof timeInSeconds !== "number" || Number.isNaN(timeInSeconds))
      throw new RangeError(`timeInSeconds must be a number, received ${String(timeInSeconds)}`);
    const delayMs = Math.max(0, timeInSeconds * 1_000);
    const key = this.#store === null ? null : `${this.#id}-${(this.#next += 1)}`;
    const waiting: Waiting = { from, inRef, cb, key, handle: null };
    this.#arm(waiting, delayMs);
    if (key === null || delayMs === Infinity) return;
    const at = this.#home.clock.now() + delayMs;
    this.#store?.put(from, key, { inRef: storable(inRef), at });
  };

  /** True when another wait of that user is pending, with another `inRef`. */
  readonly get = ({ from, inRef }: BotContext & { readonly inRef?: unknown }): boolean => {
    for (const waiting of this.#users.get(sender(from)) ?? [])
      if (waiting.inRef !== inRef) return true;
    return false;
  };

  /**
   * Ends all waits of a user and calls each back with `next: false`, in the order of their start.
   */
  readonly stop = (context: BotContext & Readonly<Record<string, unknown>>): void => {
    const stopped = [...(this.#users.get(sender(context.from)) ?? [])];
    for (const waiting of stopped) this.#remove(waiting);
    const keys = stopped.flatMap(({ key }) => (key === null ? [] : [key]));
    this.#store?.clear(context.from, keys); // Before a callback can set the next deadline.
    for (const { cb, inRef } of stopped) this.#call(cb, { ...context, next: false, inRef });
  };

  /** Arms the stored deadlines of a user that are not pending here. */
  readonly open = async (from: string): Promise<void> => {
    sender(from);
    const stored = (await this.#store?.read(from)) ?? [];
    const known = new Set([...(this.#users.get(from) ?? [])].map(({ key }) => key));
    const now = this.#home.clock.now();
    for (const [key, { inRef, at }] of stored) {
      if (known.has(key)) continue;
      const cb = (): unknown => this.#onIdle?.({ from, inRef });
      this.#arm({ from, inRef, cb, key, handle: null }, at - now);
    }
  };

  /** Drops all waits without a callback; resolves when the deadlines are stored. */
  readonly close = async (): Promise<void> => {
    this.#wheel.stop();
    this.#users.clear();
    await this.#store?.close();
  };

  #arm(waiting: Waiting, delayMs: number): void {
    const { from, inRef, cb, key } = waiting;
    const known = this.#users.get(from);
    if (known === undefined) this.#users.set(from, new Set([waiting]));
    else known.add(waiting);
    waiting.handle = this.#wheel.schedule(delayMs, () => {
      this.#remove(waiting);
      if (key !== null) this.#store?.remove(from, [key]);
      this.#call(cb, { next: true, inRef });
    });
  }

  /** Calls back the wait of a stored deadline that is over; false when it is not pending. */
  #callBack(from: string, key: string): boolean {
    const waiting = [...(this.#users.get(from) ?? [])].find((each) => each.key === key);
    if (waiting === undefined) return false;
    this.#remove(waiting);
    this.#call(waiting.cb, { next: true, inRef: waiting.inRef });
    return true;
  }

  #remove(waiting: Waiting): void {
    if (waiting.handle !== null) this.#wheel.cancel(waiting.handle);
    const known = this.#users.get(waiting.from);
    known?.delete(waiting);
    if (known?.size === 0) this.#users.delete(waiting.from);
  }

  #call(cb: Callback, event: IdleEvent): void {
    const { logger } = this.#home;
    const report = (error: unknown): void => logger.error("an idle callback threw", { error });
    safeCall(() => cb?.(event), report);
  }
}

/** The part of a reference that can be stored and compared after a restart. */
function storable(inRef: unknown): unknown {
  return typeof inRef === "string" || typeof inRef === "number" ? inRef : String(inRef);
}
