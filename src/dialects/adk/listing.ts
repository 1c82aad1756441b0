/** Lists the sessions of an app, or of one of its users, page by page. */
import type { Runtime } from "../../runtime/runtime.ts";
import { createHandle } from "./handle.ts";
import { openSessionScopes, joinName, nameParts, type SessionScopes } from "./session-scopes.ts";
import {
  checkCount,
  checkRequest,
  checkText,
  isAbsent,
  type ListSessionsRequest,
  type ListSessionsResponse,
  type Session,
  type SessionKey,
} from "./request.ts";
import { State } from "./state.ts";

/** The number of ids per request to the store. */
const IDS_AT_ONCE = 1_000;

/** One page of sessions; `withState` = with their values. */
export async function listSessions(
  runtime: Runtime,
  request: ListSessionsRequest,
  withState: boolean,
): Promise<ListSessionsResponse> {
  const keys = isOfNone(request) ? [] : await listKeys(runtime, request);
  const page = pageOf(request, keys.length);
  const within = <T>(items: readonly T[]): T[] => items.slice(page.start, page.start + page.size);
  // Only an order by time needs every session record.
  const all = request.order !== undefined;
  const opened = await openAll(runtime, all ? keys : within(keys));
  const scopes = all ? within(inOrder(opened, request.order === "desc")) : opened;
  const sessions = scopes.map((each) => withoutEvents(each, withState));
  const { page: number, size: limit, totalPages } = page;
  return { sessions, page: number, limit, totalItems: keys.length, totalPages };
}

/** Checks a request; true when the requested owner cannot have sessions. */
function isOfNone(request: ListSessionsRequest): boolean {
  checkRequest(request);
  const { appName, userId, limit, offset, page, order } = request;
  checkCount("limit", limit);
  checkCount("offset", offset);
  checkCount("page", page, 1);
  if (order !== undefined && order !== "asc" && order !== "desc")
    throw new RangeError('order must be "asc" or "desc"');
  if (isAbsent(appName) || (userId !== undefined && isAbsent(userId))) return true;
  checkText("appName", appName, 1);
  if (userId !== undefined) checkText("userId", userId, 1);
  return false;
}

async function listKeys(runtime: Runtime, request: ListSessionsRequest): Promise<SessionKey[]> {
  const { appName, userId } = request;
  const prefix = `${userId === undefined ? joinName(appName) : joinName(appName, userId)}/`;
  const keys: SessionKey[] = [];
  for await (const { id } of runtime.list({ type: "adk-session", prefix, limit: IDS_AT_ONCE })) {
    const [app = "", user = "", sessionId = ""] = nameParts(id);
    keys.push({ appName: app, userId: user, sessionId });
  }
  return keys;
}

function pageOf(
  { limit, offset = 0, page }: ListSessionsRequest,
  total: number,
): { page: number; start: number; size: number; totalPages: number } {
  if (limit === undefined)
    return { page: 1, start: offset, size: total, totalPages: total === 0 ? 0 : 1 };
  const totalPages = limit === 0 ? 0 : Math.ceil(total / limit);
  const start = page === undefined ? offset : (page - 1) * limit;
  const number = page ?? (limit === 0 ? 1 : Math.floor(offset / limit) + 1);
  return { page: number, start, size: limit, totalPages };
}

/** The scopes of the sessions that still exist, as stored now. */
async function openAll(runtime: Runtime, keys: readonly SessionKey[]): Promise<SessionScopes[]> {
  const opened = await Promise.all(keys.map((key) => openSessionScopes(runtime, key)));
  const scopes = new Set(opened.flatMap(({ session, user, app }) => [session, user, app]));
  await Promise.all([...scopes].map((scope) => scope.refresh()));
  return opened.filter(({ session }) => session.state.uid !== "");
}

function inOrder(scopes: readonly SessionScopes[], isDescending: boolean): SessionScopes[] {
  const sign = isDescending ? -1 : 1;
  return scopes.toSorted((left, right) => {
    const byTime = left.session.state.updated - right.session.state.updated;
    if (byTime !== 0) return sign * byTime;
    return left.key.sessionId < right.key.sessionId ? -1 : 1;
  });
}

function withoutEvents(scopes: SessionScopes, withState: boolean): Session {
  const session = createHandle(scopes, scopes.session.state, []);
  return withState ? session : { ...session, state: new State() };
}
