/** The list of scopes, found by kind and by a part of the id. */
import { isTypeError } from "../../../actors/realm.ts";
import { listScopes as list } from "../../runtime/list.ts";
import { listSource } from "../../runtime/read-many.ts";
import type { StatsSource } from "../../runtime/stats.ts";
import { badRequest } from "../problem.ts";
import { limitOf, PAGE_MAX } from "../query.ts";
import { jsonResponse } from "../reply.ts";
import type { Call } from "../router.ts";
import type { Inspected } from "./source.ts";
import type { ScopePage, ScopeRow } from "./wire.ts";

/** Ids that are looked at together. */
const LOOKED = 20_000;
/** Milliseconds after which an answer is given with what was found; the next page goes on there. */
const ENOUGH_MS = 300;

/** Answers with a page of the list. */
export async function listScopes({ inside }: Inspected, { url }: Call): Promise<Response> {
  const limit = limitOf(url, PAGE_MAX);
  const type = url.searchParams.get("type") ?? undefined;
  const text = (url.searchParams.get("filter") ?? "").toLowerCase();
  const found: ScopeRow[] = [];
  const began = performance.now();
  let cursor = url.searchParams.get("cursor") ?? undefined;
  do {
    const size = text === "" ? limit : LOOKED;
    const page = await list(listSource(inside), { type, cursor, limit: size }).catch(refused);
    for (const scope of page.scopes) {
      if (!scope.id.toLowerCase().includes(text)) continue;
      found.push(rowOf(inside, scope));
      if (found.length < limit) continue;
      const isLast = page.scopes.at(-1) === scope && page.cursor === undefined;
      // The key of a scope is the cursor of those after it.
      return jsonResponse(pageOf(found, isLast ? undefined : inside.key(scope.type, scope.id)));
    }
    cursor = page.cursor;
  } while (cursor !== undefined && performance.now() - began < ENOUGH_MS);
  return jsonResponse(pageOf(found, cursor));
}

function refused(error: unknown): never {
  throw isTypeError(error) ? badRequest("the kind or the cursor is not valid") : error;
}

function pageOf(scopes: readonly ScopeRow[], cursor: string | undefined): ScopePage {
  return { scopes, ...(cursor === undefined ? {} : { cursor }) };
}

function rowOf(
  inside: StatsSource,
  { type, id }: { readonly type: string; readonly id: string },
): ScopeRow {
  const version = inside.system.find(inside.key(type, id))?.stats.version;
  return { type, id, ...(version === undefined ? {} : { version }) };
}
