import type { QueryParams } from "./query-lexer.ts";
import { LIMIT_DEFAULT, LIMIT_MAX } from "./limit.ts";
import { SearchError } from "./search-error.ts";

/** Keeps documents whose number is between two bounds, both included by default. */
export interface NumericFilter {
  readonly numericField: string;
  readonly min: number;
  readonly max: number;
  readonly exclusiveMin?: boolean;
  readonly exclusiveMax?: boolean;
}

/** Keeps documents whose location is within a radius: `unit` is m, km, mi or ft. */
export interface GeoFilter {
  readonly geoField: string;
  readonly lon: number;
  readonly lat: number;
  readonly radius: number;
  readonly unit: string;
}

/** Marks matched words; default in every text field, with `<b>` and `</b>`. */
export interface HighlightOptions {
  readonly fields?: readonly string[];
  readonly tags?: { readonly open: string; readonly close: string };
}

/** Cuts text to pieces around matched words; default 3 of 20 words, each followed by `... `. */
export interface SummarizeOptions {
  readonly fields?: readonly string[];
  readonly frags?: number;
  readonly len?: number;
  readonly separator?: string;
}

/** A field to return, optionally under another name. */
export interface ReturnField {
  readonly identifier: string;
  readonly property?: string;
}

/** The options of a search. */
export interface SearchOptions {
  readonly noContent?: boolean;
  readonly verbatim?: boolean;
  readonly noStopwords?: boolean;
  readonly withScores?: boolean;
  readonly withSortKeys?: boolean;
  readonly withPayloads?: boolean;
  readonly filters?: readonly NumericFilter[];
  readonly geoFilters?: readonly GeoFilter[];
  readonly inKeys?: readonly string[];
  readonly inFields?: readonly string[];
  readonly returnFields?: readonly ReturnField[];
  readonly summarize?: SummarizeOptions;
  readonly highlight?: HighlightOptions;
  readonly slop?: number;
  readonly inOrder?: boolean;
  readonly language?: string;
  readonly sortBy?: { readonly field: string; readonly order?: "ASC" | "DESC" };
  readonly limit?: { readonly offset: number; readonly num: number };
  readonly params?: QueryParams;
}

/** The range of the ordered hits to return. */
export interface HitRange {
  readonly start: number;
  readonly end: number;
}

/** Checks a limit. Throws `BAD_OPTION`. */
export function hitRange(limit: SearchOptions["limit"]): HitRange {
  const { offset, num } = limit ?? { offset: 0, num: LIMIT_DEFAULT };
  for (const value of [offset, num]) {
    if (Number.isInteger(value) && value >= 0 && value <= LIMIT_MAX) continue;
    throw new SearchError("BAD_OPTION", `limit must be whole numbers from 0 to ${LIMIT_MAX}`);
  }
  if (num === 0 && offset > 0) {
    throw new SearchError("BAD_OPTION", "limit must start at 0 to give the count only");
  }
  return { start: offset, end: offset + num };
}
