/** The `history` option of a kind: how many of its changes a scope keeps. */
import { durationOption } from "../../actors/time/clock.ts";
import { optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import type { HistoryKeep, StateStore } from "../stores/contract.ts";

/** Limits of a history; of several each holds. Without any, all changes are kept. */
export interface HistoryLimits {
  /** Exactly the last so many changes. */
  readonly versions?: number | undefined;
  /** Changes of the last so many days. */
  readonly days?: number | undefined;
  /** As many of the last changes as have so many bytes of JSON together. */
  readonly bytes?: number | undefined;
}

const LIMITS = optionNames<HistoryLimits>({ versions: true, days: true, bytes: true });
const DAY_MS = 86_400_000;

/** Checks the option; `undefined`: no history. Throws `RangeError` or `TypeError`. */
export function historyOption(
  given: number | HistoryLimits | undefined,
): HistoryLimits | undefined {
  if (given === undefined || given === 0) return undefined;
  if (typeof given === "number") return { versions: limit("history", given, true) };
  refuseUnknown("history", given, LIMITS);
  const { versions, days, bytes } = given;
  return {
    versions: versions === undefined ? undefined : limit("history.versions", versions, true),
    days: days === undefined ? undefined : limit("history.days", days, false),
    bytes: bytes === undefined ? undefined : limit("history.bytes", bytes, true),
  };
}

function limit(name: string, value: number, isWhole: boolean): number {
  const number = durationOption(name, value, 0);
  if (number > 0 && (!isWhole || number === Infinity || Number.isInteger(number))) return number;
  throw new RangeError(`${name} must be ${isWhole ? "a whole number " : ""}over 0`);
}

/** The history of a kind; throws `TypeError` where none can be kept. */
export function historyOf(
  type: string,
  limits: HistoryLimits | undefined,
  { durability, store }: { readonly durability: string; readonly store: StateStore },
): HistoryLimits | null {
  if (limits === undefined || type === "sequencer") return null; // Runs keep checkpoints.
  if (durability === "volatile")
    throw new TypeError(`kind "${type}" has a history, so its durability must not be "volatile"`);
  if (store.supports.history === true) return limits;
  throw new TypeError(`kind "${type}" has a history, but the ${store.name} store keeps none`);
}

/** What a store keeps of the history, at `now`. */
export function keepOf({ versions, days, bytes }: HistoryLimits, now: number): HistoryKeep {
  return {
    ...(versions !== undefined && versions !== Infinity && { versions }),
    ...(days !== undefined && days !== Infinity && { sinceMs: now - days * DAY_MS }),
    ...(bytes !== undefined && bytes !== Infinity && { bytes }),
  };
}
