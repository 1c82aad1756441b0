import { evaluate } from "./evaluate.ts";
import type { DocumentFields } from "./filter.ts";
import { hitWriter } from "./hit-writer.ts";
import type { Hits } from "./hits.ts";
import { type IndexData, createIndexData } from "./index-data.ts";
import { type LeftOut, eraseDocument, writeDocument } from "./index-write.ts";
import { type SearchOptions, hitRange } from "./option.ts";
import { planFilters } from "./plan-filter.ts";
import { Planner } from "./planner.ts";
import { parseQuery } from "./query-parser.ts";
import type { SearchHit, SearchResult } from "./result.ts";
import { type SchemaField, type SearchDefinition, compileSchema } from "./schema.ts";
import { type Precedes, select } from "./select.ts";
import { compareSortKeys, sortField, sortKeyOf } from "./sort-key.ts";

/** A search index in memory. Every call is synchronous, so a search sees every write. */
export interface SearchIndex {
  /** The number of documents in the index. */
  readonly size: number;
  /**
   * Adds or replaces a document. Returns undefined when it is indexed, else the reason why not;
   * then no search finds it. Throws a `TypeError` and changes nothing when a value is not a string.
   */
  put(id: string, fields: Iterable<readonly [string, string]>): LeftOut | undefined;
  /** Removes a document; returns whether it existed. */
  delete(id: string): boolean;
  /** Runs a query. Throws a `SearchError` and changes nothing when it cannot be parsed. */
  search(query: string, options?: SearchOptions): SearchResult;
}

/** Makes an empty index. Throws a `SearchError` for an invalid definition. */
export function createSearchIndex(definition: SearchDefinition): SearchIndex {
  const data = createIndexData(compileSchema(definition));
  return {
    get size(): number {
      return data.documents.size;
    },
    put: (id, fields) => writeDocument(data, id, toFields(fields)),
    delete: (id) => eraseDocument(data, id),
    search: (query, options = {}) => search(data, query, options),
  };
}

/** Copies the fields. A value of another type would interrupt a write, so it is rejected here. */
function toFields(entries: Iterable<readonly [string, string]>): DocumentFields {
  const fields = new Map(entries);
  for (const value of fields.values()) {
    if (typeof value !== "string") {
      throw new TypeError(`a field of a document must be a string, received ${typeof value}`);
    }
  }
  return fields;
}

function search(data: IndexData, query: string, options: SearchOptions): SearchResult {
  const range = hitRange(options.limit);
  const tree = parseQuery(query, options.params);
  const sortedBy = options.sortBy && sortField(data, options.sortBy.field);
  const planned = new Planner(data, options).plan(tree);
  const plan = planFilters(data, planned, options);
  const found = evaluate(data, plan);
  const total = found.documents.length;
  const precedes = orderOf(data, found, sortedBy, options.sortBy?.order === "DESC");
  const write = hitWriter(data, plan, options, sortedBy);
  const hits: SearchHit[] = [];
  for (const at of select(total, range.start, range.end, precedes)) {
    const record = data.documents.recordOf(found.documents[at] ?? -1);
    if (record !== undefined) hits.push(write(record, found.scores[at] ?? 0));
  }
  return { total, hits };
}

const NO_FIELDS: DocumentFields = new Map();

/** Orders hits by score or by a field; equal ones by their last write. */
function orderOf(
  data: IndexData,
  { documents, scores }: Hits,
  sortedBy: SchemaField | undefined,
  descending: boolean,
): Precedes {
  const recordAt = (at: number) => data.documents.recordOf(documents[at] ?? -1);
  if (sortedBy === undefined) {
    const final = scores.map((score, at) => score * (recordAt(at)?.score ?? 1));
    return (a, b) => (final[b] ?? 0) - (final[a] ?? 0) || a - b;
  }
  const column = sortedBy.type === "NUMERIC" ? data.columns.get(sortedBy.name) : undefined;
  const keys = Array.from(documents, (document, at) => {
    if (column === undefined) return sortKeyOf(sortedBy, recordAt(at)?.fields ?? NO_FIELDS);
    const value = column.valueOf(document);
    return Number.isNaN(value) ? undefined : value;
  });
  return (a, b) => compareSortKeys(keys[a], keys[b], descending) || a - b;
}
