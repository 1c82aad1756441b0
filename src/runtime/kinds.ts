/**
 * Scope kinds: what a type of scope starts with, how durable it is, how long it lives.
 */
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
  optionNames,
  refuseUnknown,
  scopeSettings,
  type ScopeSettings,
  type ScopeTuning,
} from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import type { StateStore } from "../stores/contract.ts";
import { checkTombstone } from "../stores/shared/tombstones.ts";

/**
 * When a change is answered: `commit` after it is stored, `checkpoint` from memory with the store
 * following behind, `volatile` from memory alone.
 */
export type Durability = "volatile" | "checkpoint" | "commit";

/** The last moment a `Date` can name; what ends later never ends. */
const LATEST_MS = 8.64e15;

/** The declaration of a kind. */
export interface KindOptions<S extends object = object> {
  readonly schema?: StateSchema<S> | undefined;
  /** The state of a scope nobody has written; default what the schema makes of `{}`. */
  readonly initial?: S | undefined;
  /** Default `commit`. */
  readonly durability?: Durability | undefined;
  /** Milliseconds after the last change until the scope is deleted; default never. */
  readonly ttlMs?: number | undefined;
  /**
   * Milliseconds for which a deleted or expired scope keeps its version, so that no late writer can
   * match (`Infinity`: for good); default the runtime's, and without one the store's. No process
   * may hold a scope unwatched for longer.
   */
  readonly tombstoneMs?: number | undefined;
  /**
   * When a state ends by itself, in milliseconds since the epoch: `Infinity` never, 0 = such a
   * state is no record, and the scope is deleted in place of being stored. Takes the place of
   * `ttlMs`. Must depend on the state only and not throw.
   */
  readonly livesUntil?: ((state: object) => number) | undefined;
  /**
   * Told the state of a scope in the very turn in which a change of it is confirmed, or found in
   * the store. Must not throw.
   */
  readonly observe?: ((id: string, state: object) => void) | undefined;
  /** Default the runtime's. */
  readonly store?: StateStore | undefined;
  /**
   * What a result that writes nothing (no change, a mutator that threw) rests on in a `commit` kind
   * whose store others may write: `verified`, the default, looks at the store with the commits of
   * the tick; `local` is the state in memory and costs nothing.
   */
  readonly answers?: Answers | undefined;
  readonly maxStateSizeBytes?: number | undefined;
  readonly hardLimitBytes?: number | undefined;
  /** How many earlier checkpoints of a sequencer run are kept; default 0. */
  readonly history?: number | undefined;
}

/** A checked declaration. */
export interface Kind<S extends object = object> extends KindOptions<S> {
  readonly durability: Durability;
}

const OPTIONS = optionNames<KindOptions>({
  schema: true,
  initial: true,
  durability: true,
  ttlMs: true,
  tombstoneMs: true,
  livesUntil: true,
  observe: true,
  store: true,
  answers: true,
  maxStateSizeBytes: true,
  hardLimitBytes: true,
  history: true,
});

/**
 * Declares a kind of scope. Throws `RangeError` for a bad number or durability, `TypeError` for an
 * unknown option.
 */
export function defineKind<S extends object>(options: KindOptions<S> = {}): Kind<S> {
  refuseUnknown("defineKind", options, OPTIONS);
  const durability = options.durability ?? "commit";
  if (!["volatile", "checkpoint", "commit"].includes(durability))
    throw new RangeError(
      `durability must be "volatile", "checkpoint" or "commit", received ${durability}`,
    );
  if (options.ttlMs !== undefined && !(durationOption("ttlMs", options.ttlMs, 1) > 0))
    throw new RangeError(`ttlMs must be more than 0, received ${options.ttlMs}`);
  checkTombstone(options.tombstoneMs);
  durationOption("history", options.history, 0);
  answersOption(options.answers, "verified");
  return Object.freeze({ ...options, durability });
}

const DAY_MS = 86_400_000;
/** How long a request is kept after its last change. */
const REQUEST_TTL_MS = 7 * DAY_MS;
/** How long a session that was made up for one call is kept after its last change. */
const EPHEMERAL_TTL_MS = DAY_MS;

/** The kinds every runtime has. What has a time here has none on a store that keeps no times. */
export const BUILT_IN_KINDS: Readonly<Record<string, Kind>> = {
  request: defineKind({ ttlMs: REQUEST_TTL_MS }),
  session: defineKind(),
  user: defineKind(),
  org: defineKind(),
  sequencer: defineKind({ durability: "checkpoint" }),
  temp: defineKind({ durability: "volatile" }),
};

/** When the state of a version ends; a newer one has a time of its own, not yet set. */
export interface Life {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** The life of a state without an end. */
export const FOR_EVER: Life = Object.freeze({ version: 0, until: Infinity });

/** When a state ends that says so itself: 0 = it is no record, `Infinity` = never. */
export function endOf(livesUntil: (state: object) => number, state: object): number {
  const until = livesUntil(state);
  return until > LATEST_MS ? Infinity : until;
}

/** True when a state says of itself that it is over. */
export function hasEnded(
  livesUntil: (state: object) => number,
  state: object,
  now: number,
): boolean {
  const end = endOf(livesUntil, state);
  return end > 0 && end <= now;
}

/** Milliseconds `state` has left to live at `now`; 0 = it is no record, `undefined` = for ever. */
export function leftToLive(
  kind: Pick<ResolvedKind, "ttlMs" | "livesUntil">,
  state: object,
  now: number,
): number | undefined {
  if (kind.livesUntil === undefined) return kind.ttlMs;
  const until = endOf(kind.livesUntil, state);
  if (until === 0) return 0;
  return until === Infinity ? undefined : Math.max(1, until - now);
}

/** A kind with the settings its scopes share. */
export interface ResolvedKind {
  readonly type: string;
  readonly durability: Durability;
  readonly ttlMs: number | undefined;
  /** `undefined`: what the store says. */
  readonly tombstoneMs: number | undefined;
  readonly livesUntil: ((state: object) => number) | undefined;
  readonly observe: ((id: string, state: object) => void) | undefined;
  readonly store: StateStore;
  readonly history: number;
  readonly settings: ScopeSettings;
}

/** What a runtime says for all its kinds. */
export interface KindContext extends ScopeTuning, Pick<CheckOptions, "onStateSizeWarning"> {
  readonly store: StateStore;
  readonly tombstoneMs: number | undefined;
}

/** Fills in what the runtime says; throws when the initial state or the store does not fit. */
export function resolveKind(type: string, given: Kind, context: KindContext): ResolvedKind {
  // From JavaScript it may be a plain object, with nothing checked and no default filled in.
  refuseUnknown(`kind "${type}"`, given ?? {}, OPTIONS);
  const kind = defineKind(given);
  const checks = createChecks({ ...kind, onStateSizeWarning: context.onStateSizeWarning });
  const initial = initialState(kind.initial ?? {}, checks, { type, id: "initial" });
  const store = kind.store ?? context.store;
  if (!isStore(store))
    throw new TypeError(
      `store must be a store, such as sqliteStore({ path }), received ${typeName(store)}`,
    );
  return {
    type,
    durability: kind.durability,
    ttlMs: lifeOf(type, { given, kind, store }),
    tombstoneMs: kind.tombstoneMs ?? context.tombstoneMs,
    livesUntil: kind.livesUntil,
    observe: kind.observe,
    store,
    history: kind.history ?? 0,
    settings: scopeSettings(context, {
      initial,
      checks,
      escalate: true,
      bridgeFreezes: true,
      verifies: kind.answers !== "local",
    }),
  };
}

interface Declared {
  readonly given: Kind;
  readonly kind: Kind;
  readonly store: StateStore;
}

/** The `ttlMs` of a kind; throws when its store keeps none, except for a default of ours. */
function lifeOf(type: string, { given, kind, store }: Declared): number | undefined {
  const { ttlMs } = kind;
  if (ttlMs === undefined || ttlMs === Infinity) return undefined;
  if (keepsTimes(kind, store)) return ttlMs;
  if (given === BUILT_IN_KINDS[type]) return undefined;
  throw new TypeError(`kind "${type}" has a ttlMs, but the ${store.name} store keeps none`);
}

function keepsTimes({ durability }: Pick<Kind, "durability">, { supports }: StateStore): boolean {
  return durability === "volatile" || supports.ttl;
}

/** The kind of sessions that were made up for one call: they end by themselves. */
export function ephemeralKind(kind: ResolvedKind): ResolvedKind {
  const { ttlMs, livesUntil, store } = kind;
  if (ttlMs !== undefined || livesUntil !== undefined || !keepsTimes(kind, store)) return kind;
  return { ...kind, ttlMs: EPHEMERAL_TTL_MS };
}

/** Looked at once, because what is no store would fail far from where it was given. */
function isStore(store: unknown): boolean {
  if (typeof store !== "object" || store === null) return false;
  return "load" in store && "commit" in store && "supports" in store;
}
