/**
 * Lists the ids of a runtime's scopes: those in the store and those that are only in memory.
 */
import { countOption, optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
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
  /** The `cursor` of the page before, listed in the same order. */
  readonly cursor?: string | undefined;
  /** Ids in one page; default 100. */
  readonly limit?: number | undefined;
  /**
   * Descending order of type and id; default false. A store of your own without
   * `supports.reverse` lists all keys for each page.
   */
  readonly reverse?: boolean | undefined;
  /**
   * Reads the state of each scope as well; default false. Runs, and types that this runtime does
   * not declare, are left out.
   */
  readonly states?: boolean | undefined;
}

const OPTIONS = optionNames<ListOptions>({
  type: true,
  prefix: true,
  cursor: true,
  limit: true,
  reverse: true,
  states: true,
});

/** One scope in a list. */
export interface ListedScope<Name extends string = string> {
  readonly type: Name;
  readonly id: string;
}

/** One scope in a list with `states: true`. */
export interface ListedState<
  Name extends string = string,
  S = Record<string, unknown>,
> extends ListedScope<Name> {
  readonly version: number;
  /** Deep-frozen, with the defaults of the schema. */
  readonly state: DeepReadonly<S>;
}

/**
 * A page of a list, in the order of type and id. With `states: true` it may have fewer entries than
 * `limit`, also when another page follows.
 */
export interface ScopeList<Entry extends ListedScope = ListedScope> {
  readonly scopes: readonly Entry[];
  /** The ids of `scopes`. */
  readonly ids: readonly string[];
  /** Give it as `cursor` for the next page; absent on the last one. */
  readonly cursor?: string;
}

/**
 * A list of scopes: `await` gives the first page, which is read at the call; `for await` the
 * entries of that page and of all that follow, each read when the one before is used up.
 */
export interface ScopeListing<Entry extends ListedScope = ListedScope>
  extends Promise<ScopeList<Entry>>, AsyncIterable<Entry> {}

/** The sources of a list. */
export interface ListSource {
  readonly namespace: string;
  readonly stores: readonly StateStore[];
  /** Keys whose state in memory is not stored yet, and whether they exist. */
  readonly unstored: ReadonlyMap<string, boolean>;
}

/** What to list, checked. */
interface Listed extends ListQuery {
  readonly prefix: string;
  readonly limit: number;
}

/**
 * Lists one page; throws `RangeError` for a bad limit and `TypeError` for a prefix without a type,
 * a type, prefix or cursor that is no text, and an unknown option.
 */
export async function listScopes(
  { namespace, stores, unstored }: ListSource,
  options: ListOptions = {},
): Promise<ScopeList> {
  const { limit, ...query } = queryOf(namespace, options);
  const keys = new Set(unstoredKeys(unstored, query));
  const isListed = (key: string): boolean =>
    unstored.get(key) !== false && decodeKey(key) !== undefined;
  // One more than the page shows whether another page follows.
  for (const store of stores)
    for (const key of await storedKeys(store, { ...query, limit: limit + 1 }, isListed))
      keys.add(key);
  const sorted = [...keys].toSorted(inOrder);
  return page(query.reverse === true ? sorted.toReversed() : sorted, limit);
}

function queryOf(namespace: string, options: ListOptions): Listed {
  refuseUnknown("list", options, OPTIONS);
  for (const name of ["type", "prefix", "cursor"] as const) refuseNoText(name, options[name]);
  const limit = countOption("limit", options.limit, LIST_LIMIT, 1);
  const { cursor, reverse } = options;
  const after = cursor === undefined ? {} : { after: cursor };
  const order = reverse === true ? { reverse } : {}; // Other stores need not know of it.
  return { prefix: prefixOf(namespace, options), limit, ...after, ...order };
}

function unstoredKeys(
  unstored: ReadonlyMap<string, boolean>,
  { prefix, after, reverse }: Omit<Listed, "limit">,
): string[] {
  const isAfter = (key: string): boolean =>
    after === undefined || (reverse === true ? key < after : key > after);
  return [...unstored].flatMap(([key, isLiving]) =>
    isLiving && key.startsWith(prefix) && isAfter(key) ? [key] : [],
  );
}

function refuseNoText(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string")
    throw new TypeError(`${name} must be a text, received ${typeName(value)}`);
}

function prefixOf(namespace: string, { type, prefix }: ListOptions): string {
  if (type !== undefined) return encodeKey(namespace, type, prefix ?? "");
  if (prefix === undefined) return keyPrefix(namespace);
  throw new TypeError("list needs a type to go with the prefix");
}

/** Up to `limit` existing keys of a store. */
async function storedKeys(
  store: StateStore,
  { limit, ...query }: Listed,
  isListed: (key: string) => boolean,
): Promise<string[]> {
  if (query.reverse === true && store.supports.reverse !== true)
    return lastKeys(store, { ...query, limit }, isListed);
  const keys: string[] = [];
  // A store reads no more than it is asked for; keys that are not listed make it asked again.
  for (let from: Pick<ListQuery, "after"> = {}; ;) {
    const wanted = limit - keys.length;
    let seen = 0;
    for await (const key of store.list({ ...query, ...from, limit: wanted })) {
      seen += 1;
      from = { after: key };
      if (isListed(key)) keys.push(key);
      if (keys.length === limit) return keys;
    }
    if (seen < wanted) return keys;
  }
}

/** The last keys of a store that lists in ascending order only; keeps at most twice the limit. */
async function lastKeys(
  store: StateStore,
  { prefix, limit, after }: Listed,
  isListed: (key: string) => boolean,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list({ prefix })) {
    if (after !== undefined && key >= after) break;
    if (isListed(key)) keys.push(key);
    if (keys.length === 2 * limit) keys.splice(0, limit);
  }
  return keys.slice(-limit);
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
