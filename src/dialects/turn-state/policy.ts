/** The options of a turn: defaults and checks. */
import { durationOption, systemClock } from "../../../actors/time/clock.ts";
import type { Clock, Logger } from "../../../actors/protocol.ts";
import { consoleLogger, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import type { KeyFormat } from "./activity.ts";
import type { ValuesPolicy } from "./json.ts";

/** Milliseconds a turn waits for its scopes. */
const TURN_WAIT_MS = 30_000;

/** Options of a turn. */
export interface TurnOptions {
  /**
   * Milliseconds to wait for both scopes; default 30 000; 0, negative and `Infinity` = no limit.
   */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds the handler may run before the turn is abandoned; default no limit. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Aborting abandons the turn; it rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the state is stored when the handler throws; default `discard`. */
  readonly onHandlerError?: "discard" | "persist" | undefined;
  /** `log`: the turn succeeds although its state was not stored; default `throw`. */
  readonly onSaveError?: "throw" | "log" | undefined;
  /** `quarantine` sets a damaged document aside, `reset` overwrites it; default `throw`. */
  readonly onCorrupt?: "throw" | "quarantine" | "reset" | undefined;
  /** Whether a value set after the deletion of its scope is kept; default `keep`. */
  readonly deleteThenSet?: "keep" | "lose" | undefined;
  /** `seal`: a state throws once its turn has ended; default `seal`. */
  readonly afterTurn?: "seal" | "ignore" | undefined;
  /** How values that JSON cannot represent are treated; default `strict`. */
  readonly values?: ValuesPolicy | undefined;
  /** Default `compat`. */
  readonly keyFormat?: KeyFormat | undefined;
  /** Default: warnings and errors go to `console`. */
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
}

/** The options with all defaults filled in. */
export interface TurnPolicy {
  readonly timeoutMs: number;
  readonly handlerTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onHandlerError: "discard" | "persist";
  readonly onSaveError: "throw" | "log";
  readonly onCorrupt: "throw" | "quarantine" | "reset";
  readonly deleteThenSet: "keep" | "lose";
  readonly afterTurn: "seal" | "ignore";
  readonly values: ValuesPolicy;
  readonly keyFormat: KeyFormat;
  readonly logger: Logger;
  readonly clock: Clock;
}

const OPTIONS = optionNames<TurnOptions>({
  timeoutMs: true,
  handlerTimeoutMs: true,
  signal: true,
  onHandlerError: true,
  onSaveError: true,
  onCorrupt: true,
  deleteThenSet: true,
  afterTurn: true,
  values: true,
  keyFormat: true,
  logger: true,
  clock: true,
});

/**
 * Fills in the defaults; throws `RangeError` for a bad number or word, `TypeError` for an unknown
 * option.
 */
export function turnPolicy(options: TurnOptions = {}): TurnPolicy {
  refuseUnknown("a turn", options, OPTIONS);
  return {
    timeoutMs: limit("timeoutMs", options.timeoutMs, TURN_WAIT_MS),
    handlerTimeoutMs: limit("handlerTimeoutMs", options.handlerTimeoutMs, Infinity),
    signal: options.signal,
    onHandlerError: word("onHandlerError", options.onHandlerError, ["discard", "persist"]),
    onSaveError: word("onSaveError", options.onSaveError, ["throw", "log"]),
    onCorrupt: word("onCorrupt", options.onCorrupt, ["throw", "quarantine", "reset"]),
    deleteThenSet: word("deleteThenSet", options.deleteThenSet, ["keep", "lose"]),
    afterTurn: word("afterTurn", options.afterTurn, ["seal", "ignore"]),
    values: word("values", options.values, ["strict", "coerce"]),
    keyFormat: word("keyFormat", options.keyFormat, ["compat", "escaped"]),
    logger: quietLogger(options.logger ?? consoleLogger),
    clock: options.clock ?? systemClock,
  };
}

function limit(name: string, value: number | undefined, fallback: number): number {
  const limitMs = durationOption(name, value, fallback);
  return limitMs > 0 ? limitMs : Infinity;
}

/** One of `words`, by default the first. */
function word<W extends string>(
  name: string,
  value: W | undefined,
  words: readonly [W, ...W[]],
): W {
  if (value === undefined) return words[0];
  if (words.includes(value)) return value;
  const known = words.map((each) => `"${each}"`).join(" or ");
  throw new RangeError(`${name} must be ${known}, received ${value}`);
}
