/** The timers of a kind: their declaration, and what a scope needs to set them. */
import { positiveOption, refuseUnknown } from "../../actors/scope/options.ts";
import type { Mutation } from "../../actors/scope/mutation.ts";
import { isPlainObject, typeName } from "../../actors/state/copy.ts";
import { noTimers, type Schedule } from "../../actors/timing.ts";
import type { StateStore } from "../stores/contract.ts";
import type { HeldScope, Timer } from "./scope-types.ts";

/** Most characters of the name of a handler, and of the key of a timer. */
export const TIMER_KEY_MAX = 128;
/** Default of `timers.pollMs`. */
const POLL_MS = 1_000;

/** A method, so that a kind of any state is a `Kind`. */
interface Handling<S extends object> {
  handle(scope: HeldScope<S>, timer: Timer): unknown;
}

/** Runs when a timer fires; its promise is awaited. `scope` is held, as in `scope.exclusive`. */
export type TimerHandler<S extends object = object> = Handling<S>["handle"];

/** The handlers of a kind, by name. */
export type TimerHandlers<S extends object = object, Names extends string = string> = {
  readonly [Name in Names]: TimerHandler<S>;
};

/** How a runtime finds due timers. */
export interface TimerSettings {
  /**
   * Milliseconds after which the store is asked again for due timers of other processes; default
   * 1000. Timers that this process has set fire at their time.
   */
  readonly pollMs?: number | undefined;
}

/** The interval of the option `timers`; throws `TypeError` or `RangeError` for a bad one. */
export function pollOption(settings: TimerSettings | undefined): number {
  refuseUnknown("timers", settings ?? {}, ["pollMs"]);
  return positiveOption("timers.pollMs", settings?.pollMs, POLL_MS);
}

/** Checks the handlers of a kind. */
export function timersOption(timers: unknown): void {
  if (timers === undefined) return;
  if (!isPlainObject(timers))
    throw new TypeError(`timers must be an object of handlers, received ${typeName(timers)}`);
  for (const [name, handler] of Object.entries(timers)) {
    if (name === "" || name.length > TIMER_KEY_MAX)
      throw new RangeError(`the name of a timer has 1 to ${TIMER_KEY_MAX} characters`);
    if (typeof handler !== "function")
      throw new TypeError(`the timer "${name}" must be a function, received ${typeName(handler)}`);
  }
}

/** The handlers of a kind; `null`: none. Throws `TypeError` for a kind that can have no timers. */
export function timersOf(
  type: string,
  kind: { readonly timers?: TimerHandlers | undefined; readonly durability: string },
  { name, supports }: StateStore,
): TimerHandlers | null {
  if (kind.timers === undefined) return null;
  if (type === "sequencer") throw new TypeError("runs of sequencers have no timers: see ctx.sleep");
  if (kind.durability !== "volatile" && !supports.list)
    throw new TypeError(`kind "${type}" has timers, but the ${name} store lists no keys`);
  return kind.timers;
}

/** A scope, or a held one, that a caller sets timers of. */
export interface TimerCaller {
  mutate(mutation: Mutation): Promise<boolean>;
  flush(): Promise<void>;
}

/** The arguments of `schedule`, unchecked. */
export type ScheduleArguments = Parameters<Schedule> | readonly unknown[];

/** Sets the timers of one scope. */
export interface Timekeeper {
  schedule(caller: TimerCaller, given: ScheduleArguments): Promise<string>;
  unschedule(caller: TimerCaller, key: unknown): Promise<boolean>;
  timers(caller: TimerCaller): Promise<Timer[]>;
}

/** The one of a scope without timers; each call rejects with `TypeError`. */
export const NO_TIMEKEEPER: Timekeeper = Object.freeze({
  schedule: async () => noTimers(),
  unschedule: async () => noTimers(),
  timers: async () => noTimers(),
});
