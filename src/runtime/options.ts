/** The options of a runtime. */
import { optionNames, refuseUnknown, type ScopeTuning } from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import { durationOption } from "../../actors/time/clock.ts";
import type { StateStore } from "../stores/contract.ts";
import type { Kinds } from "./kinds.ts";
import type { TimerSettings } from "./timer-types.ts";

/** Options of a runtime; `K` are its kinds. */
export interface RuntimeOptions<K extends Kinds = Kinds> extends ScopeTuning {
  /** Default: a memory store of its own. The last runtime that uses it closes it. */
  readonly store?: StateStore | undefined;
  /** Further kinds, or other settings for the built-in ones: of `defineKind`, or its options. */
  readonly kinds?: K | undefined;
  /** Separates the records of several applications on one store; default `holdfast`. */
  readonly namespace?: string | undefined;
  /** Most scopes in memory before idle ones are passivated; default 100 000. */
  readonly maxResidentScopes?: number | undefined;
  /** Milliseconds without use until a scope is passivated; default never. */
  readonly passivateAfterMs?: number | undefined;
  /**
   * Milliseconds for which deleted and expired scopes keep their version (`Infinity`: for ever),
   * for kinds without their own. Default: each store's, which is 7 days unless it is set.
   */
  readonly tombstoneMs?: number | undefined;
  /**
   * Milliseconds after which the store gives up the record of an exclusive section whose process
   * ended or stands still; a running section renews its lease at a third of it. Default 5000.
   */
  readonly exclusiveLeaseMs?: number | undefined;
  /**
   * Watch for commits of other processes, where the store supports it; default true. With `false` a
   * scope finds them when its next save meets a newer version, or by `refresh()`.
   */
  readonly watch?: boolean | undefined;
  /** How due timers are found, of kinds that have timers. */
  readonly timers?: TimerSettings | undefined;
}

/** The names of `RuntimeOptions`. */
const RUNTIME_OPTIONS: readonly string[] = optionNames<RuntimeOptions>({
  cas: true,
  clock: true,
  exclusiveLeaseMs: true,
  kinds: true,
  logger: true,
  mailboxLimit: true,
  maxResidentScopes: true,
  mutationTimeoutMs: true,
  namespace: true,
  onStateSizeWarning: true,
  passivateAfterMs: true,
  random: true,
  store: true,
  timers: true,
  tombstoneMs: true,
  watch: true,
});

/**
 * Throws `TypeError` for an unknown option, and for a `namespace` or `kinds` that is none;
 * `RangeError` for an empty namespace.
 */
export function checkOptions(options: RuntimeOptions): void {
  refuseUnknown("createRuntime", options, RUNTIME_OPTIONS);
  const { namespace, kinds }: { namespace?: unknown; kinds?: unknown } = options;
  if (namespace !== undefined && typeof namespace !== "string")
    throw new TypeError(`namespace must be a text, received ${typeName(namespace)}`);
  if (namespace === "") throw new RangeError("namespace must not be empty");
  if (kinds !== undefined && (typeof kinds !== "object" || Array.isArray(kinds)))
    throw new TypeError(`kinds must be a record of kinds, received ${typeName(kinds)}`);
}

/** Options of `close`. */
export interface CloseOptions {
  /**
   * Milliseconds to wait for running calls; default the runtime's `mutationTimeoutMs`, 0 for no
   * wait, `Infinity` for no limit.
   */
  readonly drainMs?: number | undefined;
}

/** The time limit of `close`; throws `RangeError` for a bad one, `TypeError` for other options. */
export function drainOption(options: CloseOptions, defaultMs: number): number {
  refuseUnknown("close", options, ["drainMs"]);
  const drainMs = durationOption("drainMs", options.drainMs, defaultMs);
  if (drainMs >= 0) return drainMs;
  throw new RangeError(`drainMs must be 0 or more, received ${drainMs}`);
}
