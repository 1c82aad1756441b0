/**
 * What a runtime has done so far, and what it does now; the same of all runtimes of the process.
 *
 * Invariants
 *  Z1  Counts of the process only grow: those of a runtime that was collected stay.
 *  Z2  No runtime is kept in memory by this.
 */
import { newCounters, type Counters } from "../../actors/scope/counters.ts";
import type { StateStore } from "../stores/contract.ts";
import type { Durability } from "./kinds.ts";
import type { ScopeIdentity, ScopeStats } from "../../actors/protocol.ts";

/** The result of `runtime.stats()`; counts begin at 0 when the runtime is made. */
export interface RuntimeStats extends Readonly<Counters> {
  /** Scopes in memory, without those that only their handles keep. */
  readonly residentScopes: number;
  /** Calls in the mailboxes of all scopes in memory: they have not begun. */
  readonly waiting: number;
}

/** A scope in memory, to look at. */
export interface LivingScope {
  readonly key: string;
  readonly exists: boolean;
  readonly overdue: boolean;
  /** All its changes are in its store. */
  readonly isStored: boolean;
  readonly identity: ScopeIdentity;
  readonly stats: ScopeStats;
  readonly activity: Pick<ScopeStats, "waiting" | "running" | "saving">;
}

/** What the statistics of a runtime are read from. */
export interface StatsSource {
  readonly counters: Counters;
  readonly namespace: string;
  readonly stores: readonly StateStore[];
  /** The key of a scope. */
  readonly key: (type: string, id: string) => string;
  /** A kind that is declared. */
  readonly kindOf: (type: string) => { readonly durability: Durability } | undefined;
  readonly system: {
    readonly residentCount: number;
    readonly living: readonly LivingScope[];
    readonly find: (key: string) => LivingScope | undefined;
  };
}

/** A frozen snapshot; visits every scope in memory once. */
export function statsOf({ counters, system }: StatsSource): RuntimeStats {
  const waiting = system.living.reduce((sum, { activity }) => sum + activity.waiting, 0);
  return Object.freeze({ residentScopes: system.residentCount, waiting, ...counters });
}

/** The runtimes that are not collected, by their counters. */
const uncollected = new Map<Counters, WeakRef<StatsSource>>();
/** The counts of the others. */
const past = newCounters();
const collected = new FinalizationRegistry<Counters>((counters) => {
  uncollected.delete(counters);
  addTo(past, counters);
});

/** What the runtimes are read from, also of closed ones. */
const sources = new WeakMap<object, StatsSource>();

/** What a runtime is read from; `undefined` for what is no runtime of this copy of the package. */
export function sourceOf(runtime: object): StatsSource | undefined {
  return sources.get(runtime);
}

/** Adds a runtime to those of `allStats`. */
export function joinStats(runtime: object, source: StatsSource): void {
  sources.set(runtime, source);
  uncollected.set(source.counters, new WeakRef(source));
  collected.register(source, source.counters);
}

/** The statistics of all runtimes of the process together; frozen. */
export function allStats(): RuntimeStats {
  const sum = { residentScopes: 0, waiting: 0, ...past };
  for (const [counters, reference] of uncollected) {
    const source = reference.deref();
    if (source === undefined) addTo<keyof Counters>(sum, counters);
    else addTo<keyof RuntimeStats>(sum, statsOf(source));
  }
  return Object.freeze(sum);
}

type Numbers<Names extends string> = { [Name in Names]: number };

function addTo<Names extends string>(sum: Numbers<Names>, more: Readonly<Numbers<Names>>): void {
  for (const name in more) sum[name] += more[name];
}
