/**
 * Scope kinds: the initial state of a type of scope, its durability and its time to live.
 */
import type { Counters } from "../../actors/scope/counters.ts";
import {
  createChecks,
  initialState,
  type CheckOptions,
  type StateSchema,
} from "../../actors/scope/validation.ts";
import { durationOption } from "../../actors/time/clock.ts";
import {
  type Answers,
  answersOption,
  countOption,
  optionNames,
  positiveOption,
  refuseUnknown,
  scopeSettings,
  type ScopeSettings,
  type ScopeTuning,
} from "../../actors/scope/options.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import { checkStore } from "./store-users.ts";
import { type HistoryLimits, historyOf, historyOption } from "./history-rule.ts";
import type { StateStore, StoreSupports } from "../stores/contract.ts";
import { checkTombstone } from "../stores/shared/tombstones.ts";
import { type KindVersions, kindVersions, type VersionOptions } from "./kind-versions.ts";
import { guardLife, type LifeRule } from "./life.ts";
import { type TimerHandlers, timersOf, timersOption } from "./timer-types.ts";

/**
 * When a change resolves: `commit` after it is stored, `checkpoint` from memory and stored in the
 * background, `volatile` from memory only.
 */
export type Durability = "volatile" | "checkpoint" | "commit";

/** The declaration of a kind. */
export interface KindOptions<
  S extends object = object,
  Names extends string = string,
> extends VersionOptions {
  readonly schema?: StateSchema<S> | undefined;
  /** The state before the first write; default: the schema's result for `{}`. */
  readonly initial?: (S & {}) | NoInfer<DeepReadonly<S>> | undefined;
  /** Default `commit`. */
  readonly durability?: Durability | undefined;
  /** Milliseconds after the last change until the scope is deleted; default never. */
  readonly ttlMs?: number | undefined;
  /**
   * Milliseconds for which a deleted or expired scope keeps its version, so that no late writer can
   * match (`Infinity`: for ever). Default the runtime's, else the store's. No process may keep a
   * scope in memory without watching the store for longer.
   */
  readonly tombstoneMs?: number | undefined;
  /**
   * When a state expires, in milliseconds since the epoch. `Infinity`: never; 0: the scope is
   * deleted instead of stored. Replaces `ttlMs`. Must depend on the state only. What it throws is
   * logged, and the state does not expire.
   */
  readonly livesUntil?: ((state: object) => number) | undefined;
  /**
   * Called with the state of a scope in the same tick in which a change is confirmed or found in
   * the store. What it throws, or its promise rejects with, is logged.
   */
  readonly observe?: ((id: string, state: object) => void) | undefined;
  /** Default the runtime's. */
  readonly store?: StateStore | undefined;
  /**
   * Where a result without a write (no change, a mutator that threw) is checked, in a `commit` kind
   * on a shared store. `verified`, the default: at the store, with the commits of the tick.
   * `local`: against the state in memory, at no cost.
   */
  readonly answers?: Answers | undefined;
  /** How many keys of `once` each scope keeps, the last ones; default 100, at least 1. */
  readonly onceKept?: number | undefined;
  /**
   * Whether scopes stay in memory when nothing of them runs or waits; default true. `false` is for
   * many records that are rarely used again: each use loads its scope anew. Not for `volatile`.
   */
  readonly resident?: boolean | undefined;
  readonly maxStateSizeBytes?: number | undefined;
  readonly hardLimitBytes?: number | undefined;
  /** How many changes are kept to be read and undone; of runs, checkpoints. Default none. */
  readonly history?: number | HistoryLimits | undefined;
  /** What the timers of its scopes do, by name: see `scope.schedule`. Default: it has none. */
  readonly timers?: TimerHandlers<S, Names> | undefined;
}

/** A checked declaration. */
export interface Kind<S extends object = object, Names extends string = string> extends KindOptions<
  S,
  Names
> {
  readonly durability: Durability;
}

/** The kinds of a runtime by name, as `createRuntime({ kinds })` takes them. */
export type Kinds = Readonly<Record<string, KindOptions>>;

const OPTIONS = optionNames<KindOptions>({
  version: true,
  migrate: true,
  schema: true,
  initial: true,
  durability: true,
  ttlMs: true,
  tombstoneMs: true,
  livesUntil: true,
  observe: true,
  store: true,
  answers: true,
  onceKept: true,
  resident: true,
  maxStateSizeBytes: true,
  hardLimitBytes: true,
  history: true,
  timers: true,
});

/**
 * Declares a kind of scope. Throws `RangeError` for a bad number or durability, `TypeError` for an
 * unknown option.
 */
export function defineKind<
  S extends object = Record<string, unknown>,
  Names extends string = string,
>(options: KindOptions<S, Names> = {}): Kind<S, Names> {
  refuseUnknown("defineKind", options, OPTIONS);
  const durability = options.durability ?? "commit";
  if (!["volatile", "checkpoint", "commit"].includes(durability))
    throw new RangeError(
      `durability must be "volatile", "checkpoint" or "commit", received ${durability}`,
    );
  if (options.ttlMs !== undefined && !(durationOption("ttlMs", options.ttlMs, 1) > 0))
    throw new RangeError(`ttlMs must be more than 0, received ${options.ttlMs}`);
  checkTombstone(options.tombstoneMs);
  historyOption(options.history);
  timersOption(options.timers);
  answersOption(options.answers, "verified");
  countOption("onceKept", options.onceKept, 1, 1);
  if (options.resident === false && durability === "volatile")
    throw new TypeError("a volatile kind is nowhere but in memory: resident cannot be false");
  kindVersions(options);
  return Object.freeze({ ...options, durability });
}

/** Default of `exclusiveLeaseMs`. */
const LEASE_MS = 5_000;
/** Time to live of an ephemeral session after its last change; of a request it is 7 days. */
const DAY_MS = 86_400_000;

/** The kinds of every runtime. Their times do not apply on a store that keeps no times. */
export const BUILT_IN_KINDS: Readonly<Record<string, Kind>> = {
  request: defineKind({ ttlMs: 7 * DAY_MS }),
  session: defineKind(),
  user: defineKind(),
  org: defineKind(),
  sequencer: defineKind({ durability: "checkpoint" }),
  temp: defineKind({ durability: "volatile" }),
};

/** A kind with the settings that its scopes share. */
export interface ResolvedKind extends LifeRule, Pick<KindOptions, "observe" | "tombstoneMs"> {
  readonly type: string;
  readonly durability: Durability;
  readonly versions: KindVersions;
  readonly resident: boolean;
  /** `null`: it has none. */
  readonly timers: TimerHandlers | null;
  readonly store: StateStore;
  /** `null`: none is kept. */
  readonly history: HistoryLimits | null;
  /** How many earlier checkpoints of a run are kept. */
  readonly checkpoints: number;
  /** The time of the lease of an exclusive section; milliseconds. */
  readonly exclusiveLeaseMs: number;
  readonly settings: ScopeSettings;
  /** The deep-frozen state of a scope without a record. */
  readonly initial: object;
}

/** The settings of a kind for its records at the store. */
export type RecordRule = Pick<
  ResolvedKind,
  "ttlMs" | "livesUntil" | "tombstoneMs" | "versions" | "exclusiveLeaseMs" | "history" | "settings"
>;

/** The settings of a runtime for all its kinds. */
export interface KindContext extends ScopeTuning, Pick<CheckOptions, "onStateSizeWarning"> {
  readonly store: StateStore;
  readonly tombstoneMs?: number | undefined;
  readonly counters: Counters;
  readonly exclusiveLeaseMs?: number | undefined;
}

/** Adds the settings of the runtime; throws for an invalid initial state or store. */
export function resolveKind(type: string, given: KindOptions, context: KindContext): ResolvedKind {
  // In JavaScript it may be a plain object, unchecked and without defaults.
  refuseUnknown(`kind "${type}"`, given ?? {}, OPTIONS);
  const kind = defineKind(given);
  const checks = createChecks({ ...kind, onStateSizeWarning: context.onStateSizeWarning });
  const initial = initialState(kind.initial ?? {}, checks, { type, id: "initial" });
  const store = kind.store ?? context.store;
  checkStore(store);
  const history = historyOf(type, historyOption(kind.history), { ...kind, store });
  const settings = scopeSettings(context, {
    checks,
    escalate: true,
    bridgeFreezes: true,
    storeName: kind.durability === "volatile" ? undefined : store.name,
    verifies: kind.answers !== "local",
    counters: context.counters,
    history: history !== null,
    ...(kind.onceKept !== undefined && { onceKept: Math.floor(kind.onceKept) }),
  });
  return {
    type,
    durability: kind.durability,
    ttlMs: lifeOf(type, kind, store, given === BUILT_IN_KINDS[type]),
    tombstoneMs: kind.tombstoneMs ?? context.tombstoneMs,
    livesUntil: guardLife(type, kind.livesUntil, settings.logger),
    versions: kindVersions(kind),
    observe: kind.observe,
    resident: kind.resident ?? true,
    timers: timersOf(type, kind, store),
    store,
    history,
    checkpoints: typeof kind.history === "number" ? kind.history : 0,
    exclusiveLeaseMs: positiveOption("exclusiveLeaseMs", context.exclusiveLeaseMs, LEASE_MS),
    settings,
    initial,
  };
}

/** The `ttlMs` of a kind; throws when its store keeps no times, except for built-in kinds. */
function lifeOf(
  type: string,
  { durability, ttlMs }: Kind,
  store: StateStore,
  isBuiltIn: boolean,
): number | undefined {
  if (ttlMs === undefined || ttlMs === Infinity) return undefined;
  if (keepsTimes(durability, store)) return ttlMs;
  if (isBuiltIn) return undefined;
  throw new TypeError(`kind "${type}" has a ttlMs, but the ${store.name} store keeps none`);
}

function keepsTimes(durability: Durability, { supports }: StateStore): boolean {
  return durability === "volatile" || supports.ttl;
}

/**
 * Throws `TypeError` for the kind of runs. Only the steps of a run write its record: another write
 * could skip or repeat steps.
 */
export function refuseRun(type: string): void {
  if (type !== "sequencer") return;
  throw new TypeError(
    'scopes of type "sequencer" are runs and cannot be opened or read as scopes: read one with ' +
      "runtime.checkpoints(runId), go on with it by runtime.resume",
  );
}

/** Scopes in memory have one owner, their runtime. */
const IN_MEMORY: StoreSupports = Object.freeze({
  durable: false,
  transactions: true,
  ttl: true,
  watch: false,
  list: true,
  exclusive: true,
  shared: false,
  reverse: true,
});

/** What the store of a kind supports, or memory for a volatile kind. */
export function supportsOf({ durability, store }: ResolvedKind): StoreSupports {
  return durability === "volatile" ? IN_MEMORY : Object.freeze({ ...store.supports });
}

/** The kind of ephemeral sessions, which expire. */
export function ephemeralKind(kind: ResolvedKind): ResolvedKind {
  const { durability, ttlMs, livesUntil, store } = kind;
  const isLimited = ttlMs !== undefined || livesUntil !== undefined;
  return isLimited || !keepsTimes(durability, store) ? kind : { ...kind, ttlMs: DAY_MS };
}
