/**
 * How often a step is tried and how long one try may take.
 */
import {
  countOption,
  optionNames,
  positiveOption,
  refuseUnknown,
} from "../../../actors/scope/options.ts";
import type { Backoff } from "../../../actors/scope/retry.ts";
import { durationOption } from "../../../actors/time/clock.ts";

/** Default of `attempts` when `retry` is given. */
const ATTEMPTS = 3;
/** Default of `baseDelayMs`. */
const BASE_DELAY_MS = 1_000;
/** Default of `maxDelayMs`. */
const MAX_DELAY_MS = 60_000;

/** How a failed step is tried again. */
export interface RetryOptions {
  /** Tries in total, the first one included; default 3. */
  readonly attempts?: number | undefined;
  /** The wait before try n + 1 is `baseDelayMs × 2^(n-1)` milliseconds; default 1 000. */
  readonly baseDelayMs?: number | undefined;
  /** Upper bound of one wait in milliseconds; default 60 000. */
  readonly maxDelayMs?: number | undefined;
  /** `full` draws each wait from [0, wait); default `none`. */
  readonly jitter?: "none" | "full" | undefined;
}

/** Options of one step. */
export interface StepOptions {
  /** Default: one try. A suspension ends no try, and a timed-out suspension is not tried again. */
  readonly retry?: RetryOptions | undefined;
  /**
   * Milliseconds for one try, its sleeps included; then the try fails with `StepTimeoutError`.
   * Default: no limit.
   */
  readonly timeoutMs?: number | undefined;
}

/** A step of any types: the sequencer to which it belongs passes it what it declares. */
export interface AnyStep extends StepOptions {
  readonly name: string;
  run(context: never): unknown;
}

/** The checked options of a step. */
export interface StepRules extends Backoff {
  readonly attempts: number;
  /** `Infinity`: no limit. */
  readonly timeoutMs: number;
}

const RETRY_OPTIONS = optionNames<RetryOptions>({
  attempts: true,
  baseDelayMs: true,
  maxDelayMs: true,
  jitter: true,
});
const ONCE: RetryOptions = { attempts: 1 };

/**
 * The rules of a step; throws `TypeError` for an unknown option and `RangeError` for a bad value.
 */
export function stepRules({ retry, timeoutMs }: StepOptions): StepRules {
  if (retry !== undefined) refuseUnknown("retry", retry, RETRY_OPTIONS);
  const given = retry ?? ONCE;
  const jitter = given.jitter ?? "none";
  if (jitter !== "none" && jitter !== "full")
    throw new RangeError(`retry.jitter must be "none" or "full", received ${String(jitter)}`);
  return Object.freeze({
    attempts: countOption("retry.attempts", given.attempts, ATTEMPTS, 1),
    baseDelayMs: delayOption("retry.baseDelayMs", given.baseDelayMs, BASE_DELAY_MS),
    maxDelayMs: delayOption("retry.maxDelayMs", given.maxDelayMs, MAX_DELAY_MS),
    jitter,
    timeoutMs: timeoutMs === Infinity ? Infinity : limitOption(timeoutMs),
  });
}

function limitOption(timeoutMs: number | undefined): number {
  return timeoutMs === undefined ? Infinity : positiveOption("timeoutMs", timeoutMs, Infinity);
}

function delayOption(name: string, value: number | undefined, fallback: number): number {
  const delayMs = durationOption(name, value, fallback);
  if (delayMs >= 0) return delayMs;
  throw new RangeError(`${name} must be 0 or more, received ${delayMs}`);
}
