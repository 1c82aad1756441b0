/** One document found. The fields depend on the options of the search. */
export interface SearchHit {
  readonly id: string;
  readonly score?: number;
  /** `#` before a number, `$` before text; null when the document lacks the field. */
  readonly sortKey?: string | null;
  readonly payload?: string | null;
  readonly fields?: Readonly<Record<string, string>>;
}

/** The result of a search: the number of matching documents, and the requested ones, in order. */
export interface SearchResult {
  readonly total: number;
  readonly hits: readonly SearchHit[];
}

/** One item of a wire reply. */
export type RawItem = number | string | null | readonly string[];

/** Returns the flat array of a search server's reply; scores become strings. */
export function toRaw(result: SearchResult): RawItem[] {
  const raw: RawItem[] = [result.total];
  for (const hit of result.hits) {
    raw.push(hit.id);
    if (hit.score !== undefined) raw.push(String(hit.score));
    if (hit.payload !== undefined) raw.push(hit.payload);
    if (hit.sortKey !== undefined) raw.push(hit.sortKey);
    if (hit.fields !== undefined) raw.push(Object.entries(hit.fields).flat());
  }
  return raw;
}
