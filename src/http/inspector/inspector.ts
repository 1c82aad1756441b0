/**
 * The inspector: a page that shows the scopes, mailboxes and runs of a runtime, with its endpoints.
 *
 *  I1  Every request passes the guard of the handlers: without `authorize` this machine and the
 *      inspector's own origin alone, else whom `authorize` lets pass with the action `inspect`.
 *  I2  Without `write` no request changes a scope or a run.
 *  I3  A change is asked for as JSON, which no form of another site can send.
 */
import type { Logger } from "../../../actors/protocol.ts";
import { consoleLogger, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { quietLogger } from "../../../actors/scope/safe-call.ts";
import { typeName } from "../../../actors/state/kind.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Handler } from "../node-listener.ts";
import { HttpProblem, isServerFault, problemResponse } from "../problem.ts";
import { jsonResponse } from "../reply.ts";
import { basePathOption, type Call, dispatch, type Endpoint, type Route } from "../router.ts";
import { type Authorize, authorizeOption, createGuard } from "../security.ts";
import { LiveView } from "./live.ts";
import { readMailboxes } from "./mailboxes.ts";
import { pageRoutes } from "./page.ts";
import { cancelRun, listRuns, readRun, resumeRun } from "./runs.ts";
import { readHistory, readScope, rewindScope } from "./scope.ts";
import { listScopes } from "./scopes.ts";
import { type Inspected, insideOf, scopesOf } from "./source.ts";
import type { About } from "./wire.ts";

/** Options of `inspector`. */
export interface InspectorOptions {
  /** The path under which the page is; default the root. */
  readonly basePath?: string | undefined;
  /**
   * Decides who may use it; the action is `inspect`. Without it, only requests to a name of this
   * machine are served, and of pages of the inspector's own origin. Behind `toNodeListener` they
   * must also come from this machine; let other servers listen on 127.0.0.1 only.
   */
  readonly authorize?: Authorize | undefined;
  /** Allows rewinds, and to resume, retry and cancel runs; default false. */
  readonly write?: boolean | undefined;
  /** Receives failures that a response does not explain; default the console. */
  readonly logger?: Logger | undefined;
}

const OPTIONS = optionNames<InspectorOptions>({
  basePath: true,
  authorize: true,
  write: true,
  logger: true,
});

/**
 * A page that shows what a runtime keeps and does, as a handler for its path. Throws `TypeError`
 * for an unknown option.
 */
export function inspector(runtime: Runtime, options: InspectorOptions = {}): Handler {
  const inside = insideOf(runtime);
  refuseUnknown("inspector", options, OPTIONS);
  const { write = false } = options;
  if (typeof write !== "boolean")
    throw new TypeError(`write must be true or false, received ${typeName(write)}`);
  const withScope = scopesOf(runtime);
  const inspected = { runtime, inside, live: true, write, withScope, sequencers: [] };
  return inspectorOf(inspected, options);
}

/** The inspector of what is given. */
export function inspectorOf(inspected: Inspected, options: InspectorOptions = {}): Handler {
  const basePath = basePathOption(options.basePath);
  const logger = quietLogger(options.logger ?? consoleLogger);
  const guard = createGuard(authorizeOption(options.authorize), logger);
  const routes = [...pageRoutes(), ...apiRoutes(inspected, new LiveView(inspected, logger))];
  return async (request) => {
    try {
      const url = new URL(request.url);
      if (url.pathname !== basePath)
        return await dispatch(routes, { request, url, basePath }, guard);
      guard.receive(request, url); // The page has addresses relative to its own.
      const location = `${basePath.slice(basePath.lastIndexOf("/") + 1)}/${url.search}`;
      return new Response(null, { status: 308, headers: { location } });
    } catch (error) {
      const response = problemResponse(error);
      if (isServerFault(response)) logger.error("a request of the inspector failed", { error });
      return response;
    }
  };
}

type Serve = (call: Call) => Response | Promise<Response>;

function apiRoutes(inspected: Inspected, live: LiveView): Route[] {
  const { traces } = live;
  const about: About = {
    write: inspected.write,
    live: inspected.live,
    stores: inspected.inside.stores.map(({ name }) => name),
  };
  const reads: Readonly<Record<string, Serve>> = {
    about: () => jsonResponse(about),
    live: () => live.open(),
    scopes: (call) => listScopes(inspected, call),
    scope: (call) => readScope(inspected, call),
    history: (call) => readHistory(inspected, call),
    mailboxes: () => readMailboxes(inspected, traces),
    runs: (call) => listRuns(inspected, traces, call),
    run: (call) => readRun(inspected, traces, call),
  };
  const writes: Readonly<Record<string, Serve>> = {
    rewind: (call) => rewindScope(inspected, call),
    resume: (call) => resumeRun(inspected, call),
    cancel: (call) => cancelRun(inspected, call),
  };
  const changing = (serve: Serve): Serve => {
    if (inspected.write) return serve;
    return () => {
      throw new HttpProblem(403, "FORBIDDEN", "this inspector only reads; open it with write");
    };
  };
  return [
    ...Object.entries(reads).map(([name, serve]) => route(name, "GET", serve)),
    ...Object.entries(writes).map(([name, serve]) => route(name, "POST", changing(serve))),
  ];
}

function route(name: string, method: "GET" | "POST", serve: Serve): Route {
  const endpoint: Endpoint = {
    access: () => ({ action: "inspect" }),
    serve: async (call) => serve(call),
  };
  return { path: ["api", name], methods: () => ({ [method]: endpoint }) };
}
