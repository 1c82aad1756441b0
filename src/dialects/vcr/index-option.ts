/** Index definitions and search options of callers, checked and converted for the engine. */
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import type { GeoFilter, NumericFilter, SearchOptions } from "./search/option.ts";
import type { SearchField, SearchFieldType } from "./search/schema.ts";
import type { FieldType, IndexType, SortOrder, Unit } from "./enum.ts";
import { loadEngine } from "./engine.ts";
import { Failure } from "./error.ts";

/** One field of an index. */
export interface IndexField {
  /** The field of the map. */
  readonly fieldName: string;
  readonly type: FieldType;
  /** The name in queries; default `fieldName`. */
  readonly alias?: string | undefined;
  readonly sortable?: boolean | undefined;
  /** Sort keys keep their case. */
  readonly unf?: boolean | undefined;
  /** Used to sort and returned, but not searched. */
  readonly noIndex?: boolean | undefined;
  /** TEXT: the weight of one occurrence; default 1. */
  readonly weight?: number | undefined;
  /** TEXT: words match only as written. */
  readonly noStem?: boolean | undefined;
  /** TAG: the character between tags; default a comma. */
  readonly separator?: string | undefined;
  /** TAG: tags differ by case. */
  readonly caseSensitive?: boolean | undefined;
}

/** The definition of an index. Counts of the original may be omitted; they are computed. */
export interface CreateIndexOptions {
  readonly schema: readonly IndexField[];
  /** Maps whose key starts with one of these; default all of the state's. */
  readonly prefix?: { readonly count?: number; readonly prefixes: readonly string[] } | undefined;
  readonly on?: IndexType | undefined;
  /** A condition over fields, such as `@n>5 && @s=="x"`. */
  readonly filter?: string | undefined;
  readonly language?: string | undefined;
  readonly languageField?: string | undefined;
  readonly score?: number | undefined;
  readonly scoreField?: string | undefined;
  readonly payloadField?: string | undefined;
  readonly stopwords?:
    | { readonly count?: number; readonly stopwords: readonly string[] }
    | undefined;
  /** Indexes only later writes. */
  readonly skipInitialScan?: boolean | undefined;
  /** Accepted without effect: the engine here keeps what these omit. */
  readonly maxTextFields?: boolean | undefined;
  readonly noOffsets?: boolean | undefined;
  readonly noHl?: boolean | undefined;
  readonly noFields?: boolean | undefined;
  readonly noFreqs?: boolean | undefined;
  /** Rejected: an index that removes maps by itself. */
  readonly temporary?: number | undefined;
}

/** A checked definition, as it is stored: plain JSON. */
export interface IndexDefinition {
  readonly schema: readonly SearchField[];
  readonly prefixes: readonly string[];
  readonly skipInitialScan?: boolean;
  readonly filter?: string;
  readonly language?: string;
  readonly languageField?: string;
  readonly score?: number;
  readonly scoreField?: string;
  readonly payloadField?: string;
  readonly stopwords?: readonly string[];
}

/** Options of a search. Counts of the original may be omitted; they are computed. */
export interface StateSearchOptions {
  readonly noContent?: boolean | undefined;
  readonly verbatim?: boolean | undefined;
  readonly noStopwords?: boolean | undefined;
  readonly withScores?: boolean | undefined;
  readonly withPayloads?: boolean | undefined;
  readonly withSortKeys?: boolean | undefined;
  readonly filters?: readonly NumericFilter[] | undefined;
  readonly geoFilters?: readonly (GeoFilter & { readonly unit: Unit })[];
  readonly inKeys?: { readonly count?: number; readonly keys: readonly string[] } | undefined;
  readonly inFields?: { readonly count?: number; readonly fields: readonly string[] } | undefined;
  readonly return?:
    | {
        readonly count?: number;
        readonly fields: readonly { readonly identifier: string; readonly property?: string }[];
      }
    | undefined;
  readonly summarize?: SearchOptions["summarize"] | undefined;
  readonly highlight?: SearchOptions["highlight"] | undefined;
  readonly slop?: number | undefined;
  readonly inorder?: boolean | undefined;
  readonly language?: string | undefined;
  readonly sortBy?: { readonly field: string; readonly order?: SortOrder } | undefined;
  /** Default the first 10. */
  readonly limit?: { readonly offset: number; readonly num: number } | undefined;
  readonly params?: readonly { readonly name: string; readonly value: string }[];
  /** Only `"2"`, the dialect of all queries. */
  readonly dialect?: string | undefined;
  /** Accepted without effect: a search here ends before the call returns. */
  readonly timeout?: number | undefined;
  /** Rejected, as are the three after it. */
  readonly expander?: string | undefined;
  readonly scorer?: string | undefined;
  readonly explainScore?: boolean | undefined;
  readonly payload?: string | undefined;
}

const FIELD_NAMES = optionNames<IndexField>({
  fieldName: true,
  type: true,
  alias: true,
  sortable: true,
  unf: true,
  noIndex: true,
  weight: true,
  noStem: true,
  separator: true,
  caseSensitive: true,
});
const INDEX_NAMES = optionNames<CreateIndexOptions>({
  schema: true,
  prefix: true,
  on: true,
  filter: true,
  language: true,
  languageField: true,
  score: true,
  scoreField: true,
  payloadField: true,
  stopwords: true,
  skipInitialScan: true,
  maxTextFields: true,
  noOffsets: true,
  noHl: true,
  noFields: true,
  noFreqs: true,
  temporary: true,
});
const SEARCH_NAMES = optionNames<StateSearchOptions>({
  noContent: true,
  verbatim: true,
  noStopwords: true,
  withScores: true,
  withPayloads: true,
  withSortKeys: true,
  filters: true,
  geoFilters: true,
  inKeys: true,
  inFields: true,
  return: true,
  summarize: true,
  highlight: true,
  slop: true,
  inorder: true,
  language: true,
  sortBy: true,
  limit: true,
  params: true,
  dialect: true,
  timeout: true,
  expander: true,
  scorer: true,
  explainScore: true,
  payload: true,
});

/**
 * Checks a definition; rejects with `NOT_SUPPORTED` and the engine's error, and with `TypeError`
 * for an unknown option.
 */
export async function indexDefinition(options: CreateIndexOptions): Promise<IndexDefinition> {
  refuseOptions(options);
  const { filter, language, languageField, score, scoreField, payloadField } = options;
  const { prefix, stopwords } = options;
  const definition: IndexDefinition = withoutUndefined({
    schema: options.schema.map(searchField),
    prefixes: prefix?.prefixes?.length ? [...prefix.prefixes] : [""],
    skipInitialScan: options.skipInitialScan === true ? true : undefined,
    filter,
    language,
    languageField,
    score,
    scoreField,
    payloadField,
    stopwords: stopwords === undefined ? undefined : [...stopwords.stopwords],
  });
  if (definition.prefixes.some((each) => typeof each !== "string"))
    throw new Failure("BAD_SCHEMA", "an index's prefixes must be strings");
  (await loadEngine()).createSearchIndex(definition);
  return definition;
}

function refuseOptions(options: CreateIndexOptions): void {
  if (typeof options !== "object" || options === null || !Array.isArray(options.schema))
    throw new Failure("BAD_SCHEMA", "an index needs options with a schema");
  refuseUnknown("createIndex", options, INDEX_NAMES);
  if (options.on !== undefined && options.on !== "HASH") refuse("an index on JSON");
  if (options.temporary !== undefined) refuse("a temporary index, which would delete your maps");
}

function searchField(field: IndexField): SearchField {
  if (typeof field !== "object" || field === null)
    throw new Failure("BAD_SCHEMA", "each field of a schema must be an object");
  if (field.type === "VECTOR" || field.type === "GEOSHAPE") refuse(`a ${field.type} field`);
  refuseUnknown("a field of an index", field, FIELD_NAMES);
  const type: SearchFieldType = field.type;
  const { fieldName, alias, weight, noStem, separator, caseSensitive } = field;
  const { sortable, unf, noIndex } = field;
  return withoutUndefined({
    fieldName,
    type,
    alias,
    weight,
    noStem,
    separator,
    caseSensitive,
    sortable,
    unf,
    noIndex,
  });
}

const REFUSED = ["expander", "scorer", "explainScore", "payload"] as const;

/** The options in the engine's form; throws `NOT_SUPPORTED`, and `TypeError` for an unknown one. */
export function searchOptions(options: StateSearchOptions): SearchOptions {
  refuseUnknown("search", options, SEARCH_NAMES);
  for (const name of REFUSED) if (options[name]) refuse(`the option ${name}`);
  if (options.dialect !== undefined && options.dialect !== "2")
    refuse(`dialect ${options.dialect}; queries are read as dialect 2`);
  const { inKeys, inFields, return: returned, params, sortBy, inorder } = options;
  const { noContent, verbatim, noStopwords, withScores, withPayloads, withSortKeys } = options;
  const { filters, geoFilters, summarize, highlight, slop, language, limit } = options;
  return withoutUndefined({
    noContent,
    verbatim,
    noStopwords,
    withScores,
    withPayloads,
    withSortKeys,
    filters,
    geoFilters,
    inKeys: inKeys?.keys,
    inFields: inFields?.fields,
    returnFields: returned?.fields,
    summarize,
    highlight,
    slop,
    inOrder: inorder,
    language,
    sortBy,
    limit,
    params: params && new Map(params.map(({ name, value }) => [name, value])),
  });
}

type Known<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Omits undefined fields. */
function withoutUndefined<T extends object>(fields: T): Known<T> {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  // The remaining fields have their own values, none of them undefined.
  return Object.fromEntries(known) as Known<T>;
}

function refuse(what: string): never {
  throw new Failure("NOT_SUPPORTED", `${what} is not supported`);
}
