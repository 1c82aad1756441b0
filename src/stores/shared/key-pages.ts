/**
 * Lists the keys of a store with an ordered index, page by page. Keys are read in their encoded
 * form, whose byte order is the order of the listing (ascii-key.ts).
 */
import { ASCII_AFTER_ALL, fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import type { Closable } from "./closable.ts";
import type { ListQuery } from "../contract.ts";

/** The most keys of one page. */
const LIST_PAGE = 256;

/** The encoded keys of a page: from `from` on and before `end`, `count` at one side of that. */
export interface PageRange {
  readonly from: string;
  /** `first`: the lowest, ascending. `after`: the same without `from`. `last`: descending. */
  readonly side: "first" | "after" | "last";
  readonly end: string;
  readonly count: number;
}

/** The statement that reads each side, for stores that speak SQL. */
export const LIST_STATEMENTS: {
  readonly first: "listFirst";
  readonly after: "listAfter";
  readonly last: "listLast";
} = { first: "listFirst", after: "listAfter", last: "listLast" };

/** The store that keys are read from. */
export interface PageSource {
  readonly gate: Closable;
  /** Reads a page of encoded keys; a page with fewer than `count` is the last. */
  readonly page: (range: PageRange) => Promise<readonly string[]>;
  /** Filters a page to the keys of records that are no tombstones; absent: keeps all. */
  readonly living?: (keys: readonly string[]) => Promise<readonly string[]>;
}

/** The keys of `query`. A closed store throws also for an empty query. */
export async function* listPages(
  query: ListQuery,
  { gate, page, living }: PageSource,
): AsyncGenerator<string, void, undefined> {
  gate.check();
  let range = startOf(query);
  let { limit: left = Infinity } = query;
  let count = Math.min(left, LIST_PAGE);
  while (left > 0) {
    const part = { ...range, count };
    const seen = await gate.run(() => page(part));
    const keys = living === undefined ? seen : await gate.run(() => living(seen));
    for (const key of keys.slice(0, left)) yield fromAsciiKey(key);
    left -= keys.length;
    const last = seen.at(-1);
    if (last === undefined || seen.length < count) return;
    range =
      range.side === "last" ? { ...range, end: last } : { ...range, from: last, side: "after" };
    // A page of mostly tombstones is followed by a larger one, else a query takes many pages.
    count = Math.min(keys.length < count ? 2 * count : left, LIST_PAGE);
  }
}

/** Where the first page begins: the cursor may sort before the prefix, or behind it. */
function startOf({ prefix = "", after, reverse }: ListQuery): Omit<PageRange, "count"> {
  const from = toAsciiKey(prefix);
  const end = from + ASCII_AFTER_ALL;
  const passed = after === undefined ? undefined : toAsciiKey(after);
  if (reverse === true)
    return { from, side: "last", end: passed === undefined || passed > end ? end : passed };
  return passed !== undefined && passed >= from
    ? { from: passed, side: "after", end }
    : { from, side: "first", end };
}
