/**
 * Lists the keys of a store with an ordered index, page by page. Keys are read in their encoded
 * form, whose byte order is the order of the listing (ascii-key.ts).
 */
import { ASCII_AFTER_ALL, fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import type { Closable } from "./closable.ts";
import type { ListQuery } from "../contract.ts";

/** The most keys of one page. */
const LIST_PAGE = 256;

/** The encoded keys of a page: the first `count` from `from` on and before `end`. */
export interface PageRange {
  readonly from: string;
  /** True when `from` itself is excluded. */
  readonly isAfter: boolean;
  readonly end: string;
  readonly count: number;
}

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
  { prefix = "", after, limit = Infinity }: ListQuery,
  { gate, page, living }: PageSource,
): AsyncGenerator<string, void, undefined> {
  gate.check();
  const first = toAsciiKey(prefix);
  const end = first + ASCII_AFTER_ALL;
  let [from, isAfter] = startOf(first, after);
  let left = limit;
  let count = Math.min(left, LIST_PAGE);
  while (left > 0) {
    const range = { from, isAfter, end, count };
    const seen = await gate.run(() => page(range));
    const keys = living === undefined ? seen : await gate.run(() => living(seen));
    for (const key of keys.slice(0, left)) yield fromAsciiKey(key);
    left -= keys.length;
    const last = seen.at(-1);
    if (last === undefined || seen.length < count) return;
    [from, isAfter] = [last, true];
    // A page of mostly tombstones is followed by a larger one, else a query takes many pages.
    count = Math.min(keys.length < count ? 2 * count : left, LIST_PAGE);
  }
}

/** The start of the first page: the cursor may sort before the prefix. */
function startOf(first: string, after: string | undefined): [from: string, isAfter: boolean] {
  const passed = after === undefined ? undefined : toAsciiKey(after);
  return passed !== undefined && passed >= first ? [passed, true] : [first, false];
}
