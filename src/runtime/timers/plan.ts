/** Reads the arguments of `schedule`: what is wrong with them is thrown here, before any write. */
import { types } from "node:util";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn, typeName } from "../../../actors/state/copy.ts";
import { sizeBytes } from "../../../actors/state/size.ts";
import type { TimerOptions, TimerTime } from "../../../actors/timing.ts";
import { type ScheduleArguments, TIMER_KEY_MAX, type TimerHandlers } from "../timer-types.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

/** The furthest time of a timer: the last one of a `Date`. */
const LATEST_MS = 8_640_000_000_000_000;
/** Most bytes of a payload, as JSON. */
const PAYLOAD_MAX_BYTES = 65_536;
/** Most characters of a cron expression, and of a time zone. */
const CRON_MAX = 256;

/** When a timer fires again, if it does. */
export interface Repetition {
  readonly cron?: string | undefined;
  readonly timeZone?: string | undefined;
}

/** A timer to be set. */
export interface TimerPlan extends Repetition {
  readonly key: string;
  readonly name: string;
  /** Frozen; shares nothing with what was given. */
  readonly payload: unknown;
  /** Milliseconds since the epoch; absent: the next time of `cron`. */
  readonly at?: number;
}

/** The scope of a timer. */
export interface PlanScope {
  readonly identity: ScopeIdentity;
  readonly timers: TimerHandlers;
  readonly now: number;
}

/** Checks the arguments of `schedule`; throws what `HeldScope.schedule` rejects with. */
export function planOf(
  { identity, timers, now }: PlanScope,
  [name, when, payload, options = {}]: ScheduleArguments,
): TimerPlan {
  const known = Object.keys(timers).join(", ");
  if (typeof name !== "string")
    throw new TypeError(`the name of a timer must be a text, received ${typeName(name)}`);
  if (!Object.hasOwn(timers, name))
    throw new TypeError(
      `unknown timer ${JSON.stringify(name)} of "${identity.type}"; declared are: ${known}`,
    );
  const time = timeOf(when as TimerTime, now);
  const given = options as TimerOptions; // Checked here.
  refuseUnknown("schedule", given, ["key"]);
  const key = given.key === undefined ? randomUUID() : timerKey(given.key);
  return { key, name, payload: payloadOf(payload, identity), ...time };
}

/** Checks the key of a timer. */
export function timerKey(key: unknown): string {
  if (typeof key !== "string")
    throw new TypeError(`the key of a timer must be a text, received ${typeName(key)}`);
  if (key.length >= 1 && key.length <= TIMER_KEY_MAX) return key;
  throw new RangeError(`the key of a timer has 1 to ${TIMER_KEY_MAX} characters`);
}

function payloadOf(payload: unknown, scope: ScopeIdentity): unknown {
  const copy = copyIn(payload, "payload", { depth: 3, scope });
  const bytes = sizeBytes(copy);
  if (bytes <= PAYLOAD_MAX_BYTES) return copy;
  throw new RangeError(`a payload has at most ${PAYLOAD_MAX_BYTES} bytes, received ${bytes}`);
}

function timeOf(when: TimerTime, now: number): Repetition & { readonly at?: number } {
  refuseUnknown("the time of a timer", when, ["at", "afterMs", "cron", "timeZone"]);
  const { at, afterMs, cron, timeZone } = when;
  if ([at, afterMs, cron].filter((each) => each !== undefined).length !== 1)
    throw new TypeError("a timer needs exactly one of at, afterMs and cron");
  if (cron !== undefined)
    return { cron: shortText("cron", cron), ...(timeZone !== undefined && zone(timeZone)) };
  if (timeZone !== undefined) throw new TypeError("timeZone belongs to a cron expression");
  return { at: at === undefined ? afterOf(afterMs, now) : dateOf(at) };
}

function zone(timeZone: string): Repetition {
  return { timeZone: shortText("timeZone", timeZone) };
}

function dateOf(at: unknown): number {
  if (!types.isDate(at)) throw new TypeError(`at must be a Date, received ${typeName(at)}`);
  if (Number.isNaN(at.getTime())) throw new RangeError("at is no valid date");
  return at.getTime();
}

function afterOf(afterMs: unknown, now: number): number {
  if (typeof afterMs !== "number")
    throw new TypeError(`afterMs must be a number, received ${typeName(afterMs)}`);
  const at = Math.ceil(now + afterMs);
  if (afterMs >= 0 && at <= LATEST_MS) return at;
  throw new RangeError(`afterMs must be 0 or more, and end in a valid date, received ${afterMs}`);
}

function shortText(what: string, text: unknown): string {
  if (typeof text !== "string")
    throw new TypeError(`${what} must be a text, received ${typeName(text)}`);
  if (text.length >= 1 && text.length <= CRON_MAX) return text;
  throw new RangeError(`${what} has 1 to ${CRON_MAX} characters, received ${text.length}`);
}
