/** How code says when a timer of its scope fires; the timers themselves are not of the kernel. */

/**
 * When a timer fires: at a time, after some milliseconds, or at each time of a cron expression (in
 * `timeZone`, an IANA name; default that of the process). Exactly one of the three.
 */
export interface TimerTime {
  readonly at?: Date | undefined;
  readonly afterMs?: number | undefined;
  readonly cron?: string | undefined;
  readonly timeZone?: string | undefined;
}

/** Options of `schedule`. */
export interface TimerOptions {
  /** Names the timer in its scope, 1 to 128 characters; default a new random key. */
  readonly key?: string | undefined;
}

/**
 * `schedule` of a mutator's context: the timer is set when the change is saved, and not otherwise.
 * Returns its key. A recipe over several scopes names the scope first. Throws `TypeError` or
 * `RangeError` for bad arguments; a cron expression that cannot be read rejects the call.
 */
export interface Schedule {
  (name: string, when: TimerTime, payload?: unknown, options?: TimerOptions): string;
  (
    scope: { readonly identity: object },
    name: string,
    when: TimerTime,
    payload?: unknown,
    options?: TimerOptions,
  ): string;
}

/** `schedule` where there are no timers: throws `TypeError`. */
export function noTimers(): never {
  throw new TypeError("this scope has no timers: declare them with defineKind({ timers })");
}
