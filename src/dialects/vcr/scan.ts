/**
 * Pages over the fields of a map.
 *
 * A small map is one page, as in Redis. The pages of a large map follow the order of a hash of the
 * names, and the cursor is the hash with which the next page starts. So a field that exists
 * throughout is returned exactly once, whatever is added and removed in between.
 */
import { matchesPattern } from "./pattern.ts";
import { failure } from "./error.ts";

/** The maximum number of fields of a map that is one page. */
const SMALL_MAP_MAX = 512;

/** The default number of fields in a page of a large map. */
const COUNT_DEFAULT = 10;
const CURSOR_MAX = 2n ** 64n - 1n;

/** Selects a page and its fields. */
export interface ScanOptions {
  /** The hash to start with; 0 = the first page. */
  readonly start: number;
  readonly pattern: string | undefined;
  readonly count: number | undefined;
}

/** Reads a cursor; throws `BAD_CURSOR`. An empty or negative one starts again, as in Redis. */
export function readCursor(cursor: string): number {
  if (cursor === "" || /^-\d+$/.test(cursor)) return 0;
  if (!/^\+?\d+$/.test(cursor)) throw failure("BAD_CURSOR");
  if (BigInt(cursor.replace("+", "")) > CURSOR_MAX) throw failure("BAD_CURSOR");
  return Number(cursor);
}

/** The next cursor, `"0"` at the end, and the names and values of a page. */
export function scanPage(
  fields: readonly (readonly [string, string])[],
  options: ScanOptions,
): [string, string[]] {
  const { start, pattern, count = COUNT_DEFAULT } = options;
  const matching = ([name]: readonly [string, string]): boolean =>
    pattern === undefined || matchesPattern(name, pattern);
  if (fields.length <= SMALL_MAP_MAX) return ["0", fields.filter(matching).flat()];
  const ordered = fields
    .map((field) => ({ field, hash: hashOf(field[0]) }))
    .filter(({ hash }) => hash >= start)
    .toSorted((left, right) => left.hash - right.hash);
  let end = Math.min(count, ordered.length);
  // Names with one hash stay together, since the cursor cannot point between them.
  while (end < ordered.length && ordered[end]?.hash === ordered[end - 1]?.hash) end += 1;
  const page = ordered.slice(0, end).map(({ field }) => field);
  const next = ordered[end]?.hash ?? 0;
  return [String(next), page.filter(matching).flat()];
}

/** A hash from 1 to 2^32 (FNV-1a); never 0, which is the cursor of the end. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1)
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return (hash >>> 0) + 1;
}
