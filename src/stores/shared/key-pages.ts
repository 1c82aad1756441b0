/**
 * How a store with an ordered index lists its keys: page by page, in their encoded form, whose
 * order of bytes is the order asked for (ascii-key.ts).
 */
import { ASCII_AFTER_ALL, fromAsciiKey, toAsciiKey } from "./ascii-key.ts";
import type { Closable } from "./closable.ts";
import type { ListQuery } from "../contract.ts";

/** The most keys of one page. */
const LIST_PAGE = 256;

/** Which encoded keys a page has: the first `count` from `from` on and before `end`. */
export interface PageRange {
  readonly from: string;
  /** True when `from` itself is left out. */
  readonly isAfter: boolean;
  readonly end: string;
  readonly count: number;
}

/** Where the keys come from. */
export interface PageSource {
  readonly gate: Closable;
  /** Reads a page of encoded keys; fewer than `count` are the last. */
  readonly page: (range: PageRange) => Promise<readonly string[]>;
  /** The living ones of a page; absent: all of them. */
  readonly living?: (keys: readonly string[]) => Promise<readonly string[]>;
}

/** The keys of `query`. Also where nothing is asked for, a closed store says that it is closed. */
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
    // Among dead keys there are more of them: what is still asked for could take many pages.
    count = Math.min(keys.length < count ? 2 * count : left, LIST_PAGE);
  }
}

/** Where the first page begins: the cursor may lie before the prefix. */
function startOf(first: string, after: string | undefined): [from: string, isAfter: boolean] {
  const passed = after === undefined ? undefined : toAsciiKey(after);
  return passed !== undefined && passed >= first ? [passed, true] : [first, false];
}
