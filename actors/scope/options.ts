/**
 * Options of a scope, checked once and shared by all scopes of a kind.
 */
import { durationOption, MAX_TIMER_MS, systemClock, timeoutOption } from "../time/clock.ts";
import { withDefaults, type Checks } from "./validation.ts";
import type {
  CasOptions,
  Clock,
  JsonObject,
  Logger,
  ScopeIdentity,
  StateSizeWarning,
} from "../protocol.ts";
import { copyIn, isPlainObject } from "../state/copy.ts";
import { extrasOf, withExtras } from "../state/extras.ts";
import { typeName } from "../state/kind.ts";
import { quietLogger } from "./safe-call.ts";
import { type Counters, newCounters } from "./counters.ts";
import { type DeadlineSweep, sweepOf } from "./timeouts.ts";

/** Most waiting mutations of one scope before `MAILBOX_FULL`. */
const MAILBOX_LIMIT = 10_000;
/** Milliseconds a mutation may wait and run before `SCOPE_MUTATION_TIMEOUT`. */
const MUTATION_TIMEOUT_MS = 30_000;
/** Keys of `once` that a scope keeps. */
const ONCE_KEPT = 100;

/** Options that every scope and runtime takes. */
export interface ScopeTuning {
  /** How conflicts of saves are retried. */
  readonly cas?: CasOptions | undefined;
  /** Default 30 000; 0, negative and `Infinity` turn it off. */
  readonly mutationTimeoutMs?: number | undefined;
  /** Most waiting mutations before `MAILBOX_FULL`; default 10 000. */
  readonly mailboxLimit?: number | undefined;
  readonly onStateSizeWarning?: ((warning: StateSizeWarning) => void) | undefined;
  /** Default: warnings and errors go to `console`. */
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** A number in [0, 1), as `Math.random`; used for jitter. */
  readonly random?: (() => number) | undefined;
}

/** Where a result without a write is checked: at the store, or against the state in memory. */
export type Answers = "verified" | "local";

/** The conflict budget with its defaults filled in. */
export interface CasBudget {
  readonly maxRetries: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly jitter: "none" | "full";
  readonly escalate: boolean;
}

/** Settings of a scope; one object for all scopes of a kind, or without options of their own. */
export interface ScopeSettings {
  readonly checks: Checks | null;
  readonly cas: CasBudget;
  /** `Infinity` = off. */
  readonly mutationTimeoutMs: number;
  readonly mailboxLimit: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of the clock: one for all scopes that have it. */
  readonly deadlines: DeadlineSweep;
  readonly random: () => number;
  /** The bridge returns new frozen states, so they are adopted without a copy. */
  readonly bridgeFreezes: boolean;
  /** The name of its store; `undefined` in memory only, and with a bridge of the caller. */
  readonly storeName: string | undefined;
  /** A result without a write counts once its version is verified at the store. */
  readonly verifies: boolean;
  /** Shared by all scopes of a runtime. */
  readonly counters: Counters;
  /** How many keys of `once` a scope keeps. */
  readonly onceKept: number;
  /** Each change is recorded with its inverse and saved with the state. */
  readonly history: boolean;
}

/** The settings of one scope, or of a kind, besides the tuning. */
export interface ScopeTraits extends Pick<ScopeSettings, "checks"> {
  readonly escalate?: boolean;
  readonly bridgeFreezes?: boolean;
  readonly storeName?: string | undefined;
  readonly verifies?: boolean;
  readonly counters?: Counters;
  readonly onceKept?: number;
  readonly history?: boolean;
}

/** The default logger: the console. */
export const consoleLogger: Logger = {
  warn: (message, fields) => console.warn(message, fields ?? ""),
  error: (message, fields) => console.error(message, fields ?? ""),
};

/** A whole number of at least `least`; RangeError names the option. */
export function countOption(
  name: string,
  value: number | undefined,
  fallback: number,
  least = 0,
): number {
  const count = durationOption(name, value, fallback);
  if (count < least) throw new RangeError(`${name} must be at least ${least}, received ${count}`);
  return Math.floor(count);
}

/** A number above 0 that a timer accepts; RangeError names the option. */
export function positiveOption(name: string, value: number | undefined, fallback: number): number {
  const number = durationOption(name, value, fallback);
  if (number > 0 && number <= MAX_TIMER_MS) return number;
  throw new RangeError(`${name} must be over 0 and at most ${MAX_TIMER_MS}, received ${number}`);
}

/**
 * Throws a `TypeError` when `options` is no object, or has a name that is not among `known`:
 * otherwise a misspelt option would silently have its default. So does a `runtime`, `clock` or
 * `logger` that is none. `where` begins the message.
 */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  // A caller in JavaScript may pass what the types forbid.
  const given: unknown = options;
  if (typeof given !== "object" || given === null)
    throw new TypeError(`${where} needs an object with its options: ${known.join(", ")}`);
  if (isRuntime(given)) {
    const place = known.includes("runtime") ? "; give it as { runtime }" : "";
    throw new TypeError(
      `${where} received a runtime where its options belong${place}; it has ${known.join(", ")}`,
    );
  }
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(", ");
    throw new TypeError(`${where} has no option ${names}; it has ${known.join(", ")}`);
  }
  for (const [name, methods, form] of PARTS) {
    const part: unknown = Reflect.get(given, name);
    if (part !== undefined && known.includes(name) && !hasMethods(part, methods))
      throw new TypeError(`${where} needs { ${name} }, ${form}; received ${typeName(part)}`);
  }
}

const RUNTIME = ["open", "execute", "declare"];

/** Options that are objects with methods, and would fail only where these are called. */
const PARTS: readonly (readonly [name: string, methods: readonly string[], form: string])[] = [
  ["runtime", RUNTIME, "as createRuntime gives it"],
  ["clock", ["now", "setTimeout", "clearTimeout"], "with now, setTimeout and clearTimeout"],
  ["logger", ["warn", "error"], "with warn and error"],
];

/** True for an object or a function that has all these methods. */
export function hasMethods(given: unknown, methods: readonly string[]): boolean {
  return methods.every((name) => typeof Object(given)[name] === "function");
}

/** Throws `TypeError` for a signal that is none; any object with the methods of one will do. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && typeof Object(signal)["throwIfAborted"] !== "function")
    throw new TypeError(`signal must be an AbortSignal, received ${typeName(signal)}`);
}

/** A frozen copy of a `meta`; throws `TypeError` for what is no object. */
export function metaOption(meta: JsonObject): JsonObject {
  if (isPlainObject(meta)) return copyIn(meta, "meta");
  throw new TypeError(`meta must be an object, received ${typeName(meta)}`);
}

/** True for a runtime: it has no own fields, so it would pass as an object without options. */
function isRuntime(given: object): boolean {
  return hasMethods(given, RUNTIME);
}

/** The names of all options of a type; the compiler refuses a missing or an extra name. */
export function optionNames<Options>(names: Record<keyof Options, true>): readonly string[] {
  return Object.keys(names);
}

/** Throws `RangeError` for a value that is not among `known`. */
export function oneOf(name: string, value: unknown, known: readonly unknown[]): void {
  if (known.includes(value)) return;
  throw new RangeError(`${name} must be one of ${known.join(", ")}, received ${String(value)}`);
}

/** The `answers` option with its default; throws `TypeError` for another value. */
export function answersOption(given: Answers | undefined, fallback: Answers): Answers {
  const answers = given ?? fallback;
  if (answers === "verified" || answers === "local") return answers;
  throw new TypeError(`answers must be "verified" or "local", received ${String(answers)}`);
}

const CAS_OPTIONS = optionNames<CasOptions>({
  maxRetries: true,
  baseDelayMs: true,
  maxDelayMs: true,
  jitter: true,
  escalate: true,
});

/**
 * Checks a conflict budget; RangeError on NaN and on an unknown jitter, TypeError on an unknown
 * option.
 */
export function casBudget(cas: CasOptions = {}, escalate = false): CasBudget {
  refuseUnknown("cas", cas, CAS_OPTIONS);
  const { jitter = "none" } = cas;
  oneOf("cas.jitter", jitter, ["none", "full"]);
  return {
    maxRetries: Math.max(0, Math.floor(durationOption("cas.maxRetries", cas.maxRetries, 3))),
    baseDelayMs: Math.max(0, durationOption("cas.baseDelayMs", cas.baseDelayMs, 10)),
    maxDelayMs: Math.max(0, durationOption("cas.maxDelayMs", cas.maxDelayMs, Infinity)),
    jitter,
    escalate: cas.escalate ?? escalate,
  };
}

// Shared by all scopes with the default logger: saves 240 bytes per stand-alone scope.
const quietConsole = quietLogger(consoleLogger);
const defaultBudget = casBudget();
/** Of all scopes without a runtime; never read. */
const uncounted = newCounters();
/** Of all scopes without a runtime and without an option. */
const plainSettings = settingsOf({}, { checks: null });

/** Fills in the defaults of the tuning options; RangeError names a bad one. */
export function scopeSettings(tuning: ScopeTuning, scope: ScopeTraits): ScopeSettings {
  return isPlain(tuning, scope) ? plainSettings : settingsOf(tuning, scope);
}

const TUNING = optionNames<ScopeTuning>({
  cas: true,
  mutationTimeoutMs: true,
  mailboxLimit: true,
  onStateSizeWarning: true,
  logger: true,
  clock: true,
  random: true,
});
const DEFAULTS: ReadonlySet<unknown> = new Set([undefined, null, false]);

/** True when every setting is the default. */
function isPlain(tuning: ScopeTuning, scope: ScopeTraits): boolean {
  const isTuned = TUNING.some((name) => Reflect.get(tuning, name) !== undefined);
  return !isTuned && Object.values(scope).every((trait) => DEFAULTS.has(trait));
}

function settingsOf(tuning: ScopeTuning, scope: ScopeTraits): ScopeSettings {
  const { clock = systemClock } = tuning;
  return {
    checks: scope.checks,
    cas: tuning.cas || scope.escalate ? casBudget(tuning.cas, scope.escalate) : defaultBudget,
    mutationTimeoutMs: timeoutOption(tuning.mutationTimeoutMs, MUTATION_TIMEOUT_MS),
    mailboxLimit: countOption("mailboxLimit", tuning.mailboxLimit, MAILBOX_LIMIT),
    logger: tuning.logger === undefined ? quietConsole : quietLogger(tuning.logger),
    clock,
    deadlines: sweepOf(clock),
    random: tuning.random ?? Math.random,
    bridgeFreezes: scope.bridgeFreezes ?? false,
    storeName: scope.storeName,
    verifies: scope.verifies ?? false,
    counters: scope.counters ?? uncounted,
    onceKept: scope.onceKept ?? ONCE_KEPT,
    history: scope.history ?? false,
  };
}

/** What a stored state depends on, of the scope that has it. */
export interface StateRule {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  /** The deep-frozen state without a record. */
  readonly initial: object;
}

/**
 * A state from a bridge as a state of the scope: frozen, with defaults; `undefined` gives the
 * initial one. Throws `StateValidationError` when the schema refuses it.
 */
export function storedState(
  found: object | undefined,
  { settings, identity: scope, initial }: StateRule,
): object {
  if (found === undefined) return initial;
  const state = settings.bridgeFreezes ? found : copyIn(found, "", { scope });
  return withExtras(withDefaults(state, settings.checks, scope), extrasOf(state));
}
