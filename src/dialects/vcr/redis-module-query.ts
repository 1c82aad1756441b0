/** The options of a search as arguments of `FT.SEARCH`. */
import type { SearchOptions } from "./search/option.ts";
import type { RedisArgument } from "../redis-client.ts";

/** The first version of the module that has the scorer of the index in this process. */
const BM25STD_VERSION = 20_800;
const LIMIT_DEFAULT = { offset: 0, num: 10 };

/** The space and index of a search. */
export interface SearchTarget {
  /** The prefix of all keys of the space on the server. */
  readonly prefix: string;
  readonly version: number;
}

/** The arguments after the query; counts are computed, and dialect and scorer are fixed. */
export function searchArgs(options: SearchOptions, target: SearchTarget): RedisArgument[] {
  const { offset, num } = options.limit ?? LIMIT_DEFAULT;
  return [
    ...flagArgs(options),
    ...filterArgs(options),
    ...list(
      "INKEYS",
      options.inKeys?.map((key) => target.prefix + key),
    ),
    ...list("INFIELDS", options.inFields),
    ...returnArgs(options),
    ...textArgs(options),
    ...one("SLOP", options.slop),
    ...(options.inOrder === true ? ["INORDER"] : []),
    ...one("LANGUAGE", options.language),
    ...(target.version >= BM25STD_VERSION ? ["SCORER", "BM25STD"] : []),
    ...sortArgs(options),
    "LIMIT",
    offset,
    num,
    ...list("PARAMS", options.params && [...options.params].flat()),
    "DIALECT",
    2,
  ];
}

function flagArgs(options: SearchOptions): string[] {
  return [
    ...(options.noContent === true ? ["NOCONTENT"] : []),
    ...(options.verbatim === true ? ["VERBATIM"] : []),
    ...(options.noStopwords === true ? ["NOSTOPWORDS"] : []),
    ...(options.withScores === true ? ["WITHSCORES"] : []),
    ...(options.withPayloads === true ? ["WITHPAYLOADS"] : []),
    ...(options.withSortKeys === true ? ["WITHSORTKEYS"] : []),
  ];
}

function filterArgs({ filters = [], geoFilters = [] }: SearchOptions): RedisArgument[] {
  return [
    ...filters.flatMap(({ numericField, min, max, exclusiveMin, exclusiveMax }) => [
      "FILTER",
      numericField,
      bound(min, exclusiveMin === true),
      bound(max, exclusiveMax === true),
    ]),
    ...geoFilters.flatMap(({ geoField, lon, lat, radius, unit }) => [
      "GEOFILTER",
      geoField,
      lon,
      lat,
      radius,
      unit,
    ]),
  ];
}

function bound(value: number, exclusive: boolean): string {
  const text = Number.isFinite(value) ? String(value) : value > 0 ? "+inf" : "-inf";
  return exclusive ? `(${text}` : text;
}

function returnArgs({ returnFields }: SearchOptions): RedisArgument[] {
  return list(
    "RETURN",
    returnFields?.flatMap(({ identifier, property }) =>
      property === undefined ? [identifier] : [identifier, "AS", property],
    ),
  );
}

function textArgs({ summarize, highlight }: SearchOptions): RedisArgument[] {
  const args: RedisArgument[] = [];
  if (summarize !== undefined) {
    const { fields, frags, len, separator } = summarize;
    args.push("SUMMARIZE", ...list("FIELDS", fields));
    args.push(...one("FRAGS", frags), ...one("LEN", len), ...one("SEPARATOR", separator));
  }
  if (highlight !== undefined) {
    args.push("HIGHLIGHT", ...list("FIELDS", highlight.fields));
    if (highlight.tags !== undefined) args.push("TAGS", highlight.tags.open, highlight.tags.close);
  }
  return args;
}

function sortArgs({ sortBy }: SearchOptions): RedisArgument[] {
  if (sortBy === undefined) return [];
  return ["SORTBY", sortBy.field, ...(sortBy.order === undefined ? [] : [sortBy.order])];
}

/** A list with its count before it; nothing when there is none. */
function list(name: string, items: readonly RedisArgument[] | undefined): RedisArgument[] {
  return items === undefined ? [] : [name, items.length, ...items];
}

/** One value after its name; nothing when there is none. */
export function one(name: string, value: RedisArgument | undefined): RedisArgument[] {
  return value === undefined ? [] : [name, value];
}
