/** A time limit and the caller's signal, whichever comes first. */
import { onAbort } from "./abort.ts";
import { ScopeMutationTimeoutError } from "../errors.ts";
import type { Clock, ScopeIdentity } from "../protocol.ts";

/** What a time limit is made from. */
export interface TimeLimitParts {
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  /** Milliseconds; `Infinity` = no limit. */
  readonly timeoutMs: number;
  readonly phase: "queued" | "running";
  readonly scope: ScopeIdentity | undefined;
}

/** Counts from `start` to `stop`. */
export class TimeLimit {
  readonly #parts: TimeLimitParts;
  #timer: unknown = null;
  #unwatch: (() => void) | null = null;

  constructor(parts: TimeLimitParts) {
    this.#parts = parts;
  }

  /** Calls `giveUp` with the signal's reason or a `ScopeMutationTimeoutError`. */
  start(giveUp: (reason: unknown) => void): void {
    const { signal, clock, timeoutMs, phase, scope } = this.#parts;
    if (signal !== undefined) {
      const listener = (): void => giveUp(signal.reason);
      if (signal.aborted) listener();
      else this.#unwatch = onAbort(signal, listener);
    }
    if (timeoutMs === Infinity) return;
    this.#timer = clock.setTimeout(() => {
      giveUp(new ScopeMutationTimeoutError({ timeoutMs, phase }, { scope }));
    }, timeoutMs);
  }

  stop(): void {
    if (this.#timer !== null) this.#parts.clock.clearTimeout(this.#timer);
    this.#unwatch?.();
  }
}
