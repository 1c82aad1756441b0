/** The handler: from its options to its routes, and from any failure to a problem body. */
import type { Logger } from "../../actors/protocol.ts";
import { consoleLogger, optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { quietLogger } from "../../actors/scope/safe-call.ts";
import { typeName } from "../../actors/state/kind.ts";
import { durationOption, MAX_TIMER_MS } from "../../actors/time/clock.ts";
import { type AnySequencer, refuseNoSequencer } from "../runtime/sequencer/define.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Heartbeat } from "./event-stream.ts";
import { type Exposure, exposuresOf, type KindExposure } from "./exposure.ts";
import type { Handler } from "./node-listener.ts";
import { isServerFault, problemResponse } from "./problem.ts";
import { basePathOption, dispatch } from "./router.ts";
import { runRoutes } from "./run-routes.ts";
import { ScopeFeeds } from "./scope-feed.ts";
import { scopeRoutes } from "./scope-routes.ts";
import { type Authorize, authorizeOption, createGuard } from "./security.ts";

/** Milliseconds between the comments in a stream of events. */
const HEARTBEAT_MS = 15_000;

/** Options of `createHandler`. */
export interface HandlerOptions {
  /** The path under which the routes are; default none. */
  readonly basePath?: string | undefined;
  /**
   * Decides who may call. Without it, only requests to a name of this machine are served, and of
   * pages of the handler's own origin. Behind `toNodeListener` they must also come from this
   * machine; other servers do not tell that, so let them listen on 127.0.0.1 only.
   */
  readonly authorize?: Authorize | undefined;
  /** The kinds that are exposed, and how; others are 404. */
  readonly kinds?: Readonly<Record<string, KindExposure>> | undefined;
  /** The sequencers whose runs are exposed, and may be started. */
  readonly sequencers?: readonly AnySequencer[] | undefined;
  /** Milliseconds between the comments in a stream of events; default 15,000. */
  readonly heartbeatMs?: number | undefined;
  /** Receives failures that a response does not explain; default the console. */
  readonly logger?: Logger | undefined;
}

const OPTIONS = optionNames<HandlerOptions>({
  basePath: true,
  authorize: true,
  kinds: true,
  sequencers: true,
  heartbeatMs: true,
  logger: true,
});

/**
 * The scopes and runs of a runtime over HTTP, as a function from a web-standard request to its
 * response. It never rejects. Throws `TypeError` for an unknown option or kind, `RangeError` for a
 * bad number.
 */
export function createHandler(runtime: Runtime, options: HandlerOptions = {}): Handler {
  if (typeof Object(runtime).open !== "function")
    throw new TypeError(`createHandler takes a runtime, received ${typeName(runtime)}`);
  refuseUnknown("createHandler", options, OPTIONS);
  const basePath = basePathOption(options.basePath);
  const logger = quietLogger(options.logger ?? consoleLogger);
  const guard = createGuard(authorizeOption(options.authorize), logger);
  const heartbeat = new Heartbeat(runtime.clock, heartbeatOption(options.heartbeatMs));
  const exposures = knownExposures(runtime, options.kinds);
  const sequencers = sequencersOption(options.sequencers);
  const routes = [
    ...scopeRoutes({ runtime, exposures, feeds: new ScopeFeeds(heartbeat) }),
    ...runRoutes({ runtime, sequencers, basePath, heartbeat }),
  ];
  return async (request) => {
    try {
      return await dispatch(routes, { request, url: new URL(request.url), basePath }, guard);
    } catch (error) {
      const response = problemResponse(error);
      if (isServerFault(response)) logger.error("a request failed", { error });
      return response;
    }
  };
}

function heartbeatOption(given: number | undefined): number {
  const everyMs = durationOption("heartbeatMs", given, HEARTBEAT_MS);
  if (everyMs >= 1 && everyMs <= MAX_TIMER_MS) return everyMs;
  throw new RangeError(`heartbeatMs must be from 1 to ${MAX_TIMER_MS}, received ${given}`);
}

function sequencersOption(given: unknown): ReadonlyMap<string, AnySequencer> {
  if (given === undefined) return new Map();
  if (!Array.isArray(given))
    throw new TypeError(`sequencers must be a list, received ${typeName(given)}`);
  const sequencers = new Map<string, AnySequencer>();
  for (const sequencer of given) {
    refuseNoSequencer("sequencers has results", sequencer);
    if (sequencers.has(sequencer.name))
      throw new TypeError(`there are two sequencers "${sequencer.name}"`);
    sequencers.set(sequencer.name, sequencer);
  }
  return sequencers;
}

function knownExposures(runtime: Runtime, kinds: unknown): ReadonlyMap<string, Exposure> {
  const exposures = exposuresOf(kinds);
  for (const type of exposures.keys()) {
    runtime.supports(type); // Throws for an unknown type.
    if (type === "sequencer") throw new TypeError("runs are exposed by `sequencers`, not `kinds`");
  }
  return exposures;
}
