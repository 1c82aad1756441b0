/** The routes of scopes: their list, their states, their changes and their history. */
import { residentOf, ScopeHandle } from "../runtime/handle.ts";
import { RewindMutation } from "../runtime/past-ops.ts";
import { checkId } from "../runtime/id.ts";
import type { ResidentScope } from "../runtime/resident-scope.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readBody, readMembers } from "./body.ts";
import {
  type Asked,
  changeScope,
  checkPrecondition,
  hasRecord,
  patchScope,
} from "./checked-change.ts";
import type { Current } from "./checked-change.ts";
import { eventResponse } from "./event-stream.ts";
import type { Exposure } from "./exposure.ts";
import { pastChanges } from "./past-changes.ts";
import { etagOf, isFresh, preconditionOf } from "./precondition.ts";
import { badRequest, HttpProblem, invalidBody, notFound } from "./problem.ts";
import { lastEventOf, limitOf, onceOf, PAGE_MAX, wholeNumber } from "./query.ts";
import { emptyResponse, jsonResponse } from "./reply.ts";
import type { Call, Endpoint, Methods, Route } from "./router.ts";
import type { ScopeFeeds } from "./scope-feed.ts";
import type { Access } from "./security.ts";
import { changeOf, PATCH_TYPES } from "./state-patch.ts";

/** What the routes of scopes use. */
export interface ScopeRoutesPort {
  readonly runtime: Runtime;
  readonly exposures: ReadonlyMap<string, Exposure>;
  readonly feeds: ScopeFeeds;
}

/** A scope that a request is about. */
interface Target {
  readonly call: Call;
  readonly handle: ScopeHandle;
  readonly scope: ResidentScope;
  readonly exposure: Exposure;
}

type Serve = (target: Target) => Promise<Response>;

/** The routes of the scopes of a runtime. */
export function scopeRoutes(port: ScopeRoutesPort): Route[] {
  const read = (serve: Serve): Endpoint => endpoint(port, "read", serve);
  const write = (serve: Serve): Endpoint => endpoint(port, "write", serve);
  const events: Serve = async ({ call, handle, exposure }) =>
    eventResponse(await port.feeds.open(handle, exposure, lastEventOf(call.request)));
  return [
    route(port, ["scopes", null], { GET: listing(port) }),
    route(
      port,
      ["scopes", null, null],
      { GET: read(state) },
      { PATCH: write(patch), DELETE: write(remove) },
    ),
    route(port, ["scopes", null, null, "changes"], { GET: read(events) }),
    route(port, ["scopes", null, null, "history"], { GET: read(history) }),
    route(port, ["scopes", null, null, "rewind"], {}, { POST: write(rewind) }),
  ];
}

/** A route with the methods that its kind exposes. */
function route(
  { exposures }: ScopeRoutesPort,
  path: Route["path"],
  reads: Methods,
  writes: Methods = {},
): Route {
  const methods = ([type]: readonly string[]): Methods => {
    const exposure = exposures.get(type ?? "");
    if (exposure === undefined) throw notFound("no such kind is exposed");
    return { ...(exposure.read ? reads : {}), ...(exposure.write ? writes : {}) };
  };
  return { path, methods };
}

function endpoint(
  { runtime, exposures }: ScopeRoutesPort,
  action: Access["action"],
  serve: Serve,
): Endpoint {
  return {
    access: ({ ids: [type = "", id = ""] }) => ({ action, type, id: pathId(id) }),
    async serve(call) {
      const [type = "", id = ""] = call.ids;
      const exposure = exposures.get(type);
      if (exposure === undefined) throw notFound();
      const handle = await runtime.open(type, id);
      const scope = residentOf(handle);
      if (scope === undefined || !(handle instanceof ScopeHandle))
        throw new TypeError("createHandler takes a runtime of this copy of the package");
      try {
        return await serve({ call, handle, scope, exposure });
      } catch (error) {
        throw exposure.shownError(error);
      }
    },
  };
}

/** An id that a scope can have. */
function pathId(id: string): string {
  try {
    return checkId(id);
  } catch {
    throw badRequest("the id is too long");
  }
}

function listing({ runtime }: ScopeRoutesPort): Endpoint {
  return {
    access: ({ ids: [type = ""] }) => ({ action: "list", type }),
    async serve({ url, ids: [type = ""] }) {
      const prefix = url.searchParams.get("prefix") ?? "";
      const cursor = url.searchParams.get("cursor") ?? undefined;
      const page = await runtime.list({ type, prefix, cursor, limit: limitOf(url, PAGE_MAX) });
      const next = page.cursor === undefined ? {} : { cursor: page.cursor };
      return jsonResponse({ ids: page.ids, ...next });
    },
  };
}

/** The present state, or that of `?at=`. */
async function state({ call, handle, exposure }: Target): Promise<Response> {
  const { request, url } = call;
  const at = wholeNumber(url, "at");
  await handle.read();
  const { version } = handle;
  if (at !== undefined && at > version) throw notFound("the scope does not have this version yet");
  const found = at === undefined ? { version, state: handle.state } : await handle.at(at);
  const headers = { etag: etagOf(found.version) };
  if (isFresh(request, found.version)) return emptyResponse(304, headers);
  return jsonResponse(exposure.json(found.state), { headers });
}

async function patch({ call, scope, exposure }: Target): Promise<Response> {
  const asked = askedBy(call);
  const next = changeOf(await readBody(call.request, PATCH_TYPES), exposure);
  return changed(await patchScope(scope, next, asked), exposure);
}

async function remove({ call, handle, scope }: Target): Promise<Response> {
  const precondition = preconditionOf(call.request);
  if (precondition === undefined) await handle.delete();
  else
    await handle.exclusive(async (held) => {
      await held.read();
      checkPrecondition(precondition, { version: held.version, exists: hasRecord(scope) });
      await held.delete();
    });
  return emptyResponse(204);
}

async function history({ call, handle, exposure }: Target): Promise<Response> {
  const limit = limitOf(call.url);
  const before = wholeNumber(call.url, "before");
  await handle.read();
  const found = await pastChanges(handle, exposure, { before, limit });
  const changes = found.map(({ change, timestamp }) => Object.assign({ timestamp }, change));
  return jsonResponse({ changes });
}

async function rewind({ call, scope, exposure }: Target): Promise<Response> {
  const asked = askedBy(call);
  if (!exposure.isWhole)
    throw new HttpProblem(403, "FORBIDDEN", "a rewind would write fields that are not exposed");
  const { version } = await readMembers(call.request, ["version"]);
  if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 0)
    throw invalidBody("version must be a whole number, 0 or more");
  await scope.read();
  if (version > scope.version) throw invalidBody("the scope does not have this version yet");
  const back = new RewindMutation(scope.identity, scope, version);
  return changed(await changeScope(scope, back, asked), exposure);
}

function askedBy({ request }: Call): Asked {
  return { precondition: preconditionOf(request), once: onceOf(request) };
}

/** The answer to a change: what the client may read of the new state. */
function changed({ version, state: next }: Current, exposure: Exposure): Response {
  const headers = { etag: etagOf(version) };
  if (!exposure.read) return emptyResponse(204, headers);
  return jsonResponse(exposure.json(next), { headers });
}
