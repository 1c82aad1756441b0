/**
 * Lists the ids of a runtime's scopes: those in the store and those that are only in memory.
 */
import { countOption, optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { decodeKey, encodeKey, keyPrefix } from "./scope-key.ts";
import type { ListQuery, StateStore } from "../stores/contract.ts";

/** Default number of ids in one page of a list. */
const LIST_LIMIT = 100;

/** Which scopes to list. */
export interface ListOptions<Name extends string = string> {
  /** Only scopes of this type. */
  readonly type?: Name | undefined;
  /** Only ids that start with this text; needs `type`. No character is special. */
  readonly prefix?: string | undefined;
  /** The `cursor` of the page before. */
  readonly cursor?: string | undefined;
  /** Ids in the page; default 100. */
  readonly limit?: number | undefined;
}

const OPTIONS = optionNames<ListOptions>({ type: true, prefix: true, cursor: true, limit: true });

/** One scope in a list. */
export interface ListedScope<Name extends string = string> {
  readonly type: Name;
  readonly id: string;
}

/** A page of a list, in the order of type and id. */
export interface ScopeList<Name extends string = string> {
  readonly scopes: readonly ListedScope<Name>[];
  /** The ids of `scopes`. */
  readonly ids: readonly string[];
  /** Give it as `cursor` for the next page; absent on the last one. */
  readonly cursor?: string;
}

/** The sources of a list. */
export interface ListSource {
  readonly namespace: string;
  readonly stores: readonly StateStore[];
  /** Keys whose state in memory is not stored yet, and whether they exist. */
  readonly unstored: ReadonlyMap<string, boolean>;
}

/**
 * Lists one page; throws `RangeError` for a bad limit and `TypeError` for a prefix without a type
 * and for an unknown option.
 */
export async function listScopes(
  source: ListSource,
  options: ListOptions = {},
): Promise<ScopeList> {
  refuseUnknown("list", options, OPTIONS);
  const { namespace, stores, unstored } = source;
  const limit = countOption("limit", options.limit, LIST_LIMIT, 1);
  const prefix = prefixOf(namespace, options);
  const { cursor: after } = options;
  const isAfter = (key: string): boolean => after === undefined || key > after;
  const keys = new Set<string>();
  for (const [key, isLiving] of unstored)
    if (isLiving && key.startsWith(prefix) && isAfter(key)) keys.add(key);
  // One more than the page shows whether another page follows.
  const query = { prefix, limit: limit + 1, ...(after === undefined ? {} : { after }) };
  for (const store of stores)
    for await (const key of storedKeys(store, query, unstored)) keys.add(key);
  return page([...keys].toSorted(inOrder), limit);
}

function prefixOf(namespace: string, { type, prefix }: ListOptions): string {
  if (type !== undefined) return encodeKey(namespace, type, prefix ?? "");
  if (prefix === undefined) return keyPrefix(namespace);
  throw new TypeError("list needs a type to go with the prefix");
}

/** Up to `limit` existing keys of a store. */
async function* storedKeys(
  store: StateStore,
  { limit, ...query }: ListQuery & { readonly limit: number },
  unstored: ReadonlyMap<string, boolean>,
): AsyncGenerator<string, void, undefined> {
  let left = limit;
  for await (const key of store.list(query)) {
    if (unstored.get(key) === false || decodeKey(key) === undefined) continue;
    yield key;
    left -= 1;
    if (left === 0) return;
  }
}

function inOrder(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function page(keys: readonly string[], limit: number): ScopeList {
  const scopes = keys.slice(0, limit).flatMap((key) => {
    const parts = decodeKey(key);
    return parts === undefined ? [] : [{ type: parts.type, id: parts.id }];
  });
  const last = keys[limit - 1];
  const more = keys.length > limit && last !== undefined ? { cursor: last } : {};
  return { scopes, ids: scopes.map(({ id }) => id), ...more };
}
