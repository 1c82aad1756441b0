/** The common options of this dialect: a runtime, its kinds, a clock, a logger. */
import { systemClock } from "../../../actors/time/clock.ts";
import type { Clock, Logger } from "../../../actors/protocol.ts";
import { consoleLogger, refuseUnknown } from "../../../actors/scope/options.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";

/** Options every class of this dialect takes. */
export interface BotStateOptions {
  /** Stores the state; default an in-memory runtime of its own. */
  readonly runtime?: Runtime | undefined;
  /** Default the system's clock; pass the runtime's clock when the runtime has its own. */
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** The kinds of this dialect, but for that of `idle-store.ts`. */
const BOT_KINDS: Readonly<Record<string, Kind>> = {
  "builderbot.user": defineKind(),
  "builderbot.global": defineKind(),
};

/** The options with their defaults; the kinds are declared on the runtime. */
export interface BotHome {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Returns `from`. Throws `TypeError` for a value that names no sender: all users would share one
 * record.
 */
export function sender(from: unknown): string {
  if (typeof from === "string" && from !== "") return from;
  const received = from === "" ? "an empty text" : typeName(from);
  throw new TypeError(`from must be a text that names the sender, received ${received}`);
}

/**
 * Fills in the defaults and declares the kinds. Throws `TypeError` for an option that is neither
 * one of these nor among `more`.
 */
export function botHome(
  where: string,
  options: BotStateOptions,
  more: readonly string[] = [],
): BotHome {
  refuseUnknown(where, options, ["runtime", "clock", "logger", ...more]);
  const { clock = systemClock } = options;
  const logger = quietLogger(options.logger ?? consoleLogger);
  const runtime = options.runtime ?? createRuntime({ clock, logger });
  for (const [type, kind] of Object.entries(BOT_KINDS)) runtime.declare(type, kind);
  return { runtime, clock, logger };
}
