/**
 * Lists the ids of a runtime's scopes: those in the store and those that are only in memory so far.
 */
import { countOption } from "../../actors/settings.ts";
import { decodeKey, encodeKey, keyPrefix } from "../stores/keys.ts";
import type { StateStore } from "../stores/store.ts";

/** Ids in one page of a list, when nothing else is said. */
const LIST_LIMIT = 100;

/** Which scopes to list. */
export interface ListOptions {
  /** Only scopes of this type. */
  readonly type?: string;
  /** Only ids that start with this text; needs `type`. Every character is ordinary. */
  readonly prefix?: string;
  /** Where the page before ended, as it was given out. */
  readonly cursor?: string;
  /** Ids in the page; default 100. */
  readonly limit?: number;
}

/** One scope in a list. */
export interface ListedScope {
  readonly type: string;
  readonly id: string;
}

/** A page of a list, in the order of type and id. */
export interface ScopeList {
  readonly scopes: readonly ListedScope[];
  /** The ids of `scopes`. */
  readonly ids: readonly string[];
  /** Give it as `cursor` for the next page; absent on the last one. */
  readonly cursor?: string;
}

/** Where scopes are looked for. */
export interface ListSource {
  readonly namespace: string;
  readonly stores: readonly StateStore[];
  /** Keys of living scopes in memory, stored or not. */
  readonly residentKeys: readonly string[];
}

/**
 * Lists one page; throws `RangeError` for a bad limit and `TypeError` for a prefix without a type.
 */
export async function listScopes(
  source: ListSource,
  options: ListOptions = {},
): Promise<ScopeList> {
  const { namespace, stores, residentKeys } = source;
  const limit = countOption("limit", options.limit, LIST_LIMIT, 1);
  const { type, prefix: idPrefix, cursor: after } = options;
  if (idPrefix !== undefined && type === undefined)
    throw new TypeError("list needs a type to go with the prefix");
  const prefix =
    type === undefined ? keyPrefix(namespace) : encodeKey(namespace, type, idPrefix ?? "");
  const keys = new Set(residentKeys.filter((key) => key.startsWith(prefix)));
  const query = { prefix, limit: limit + 1, ...(after === undefined ? {} : { after }) };
  for (const store of stores) for await (const key of store.list(query)) keys.add(key);
  const found = [...keys].filter((key) => after === undefined || key > after).toSorted(inOrder);
  const scopes: (ListedScope & { key: string })[] = [];
  for (const key of found) {
    const parts = decodeKey(key);
    if (parts === undefined || scopes.length > limit) continue;
    scopes.push({ key, type: parts.type, id: parts.id });
  }
  return page(scopes, limit);
}

function inOrder(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function page(found: readonly (ListedScope & { key: string })[], limit: number): ScopeList {
  const scopes = found.slice(0, limit).map(({ type, id }) => ({ type, id }));
  const last = found[limit - 1];
  const more = found.length > limit && last !== undefined ? { cursor: last.key } : {};
  return { scopes, ids: scopes.map(({ id }) => id), ...more };
}
