/** What a runtime has done so far, and what it does now. */
import type { Counters } from "../../actors/scope/counters.ts";

/** The result of `runtime.stats()`; counts begin at 0 when the runtime is made. */
export interface RuntimeStats extends Readonly<Counters> {
  /** Scopes in memory, without those that only their handles keep. */
  readonly residentScopes: number;
  /** Calls in the mailboxes of all scopes in memory: they have not begun. */
  readonly waiting: number;
}

/** What the statistics of a runtime are read from. */
export interface StatsSource {
  readonly counters: Counters;
  readonly system: {
    readonly residentCount: number;
    readonly living: readonly { readonly activity: { readonly waiting: number } }[];
  };
}

/** A frozen snapshot; visits every scope in memory once. */
export function statsOf({ counters, system }: StatsSource): RuntimeStats {
  const waiting = system.living.reduce((sum, { activity }) => sum + activity.waiting, 0);
  return Object.freeze({ residentScopes: system.residentCount, waiting, ...counters });
}
