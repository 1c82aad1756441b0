import type { DocumentFields } from "./filter.ts";
import type { IndexData } from "./index-data.ts";
import { readNumber } from "./number.ts";
import type { SchemaField } from "./schema.ts";
import { SearchError } from "./search-error.ts";
import { fold } from "./tokenize.ts";

/** The key by which a document is sorted; undefined when it lacks the field. */
export type SortKey = string | number | undefined;

/** Finds the field to sort by. Throws `UNKNOWN_FIELD`. */
export function sortField(data: IndexData, name: string): SchemaField {
  const field = data.schema.fields.get(name);
  if (field === undefined) {
    throw new SearchError("UNKNOWN_FIELD", "the field to sort by is not in the schema");
  }
  return field;
}

/** Returns a document's sort key: a number, or text that is folded unless the field keeps case. */
export function sortKeyOf(field: SchemaField, fields: DocumentFields): SortKey {
  const value = fields.get(field.fieldName);
  if (value === undefined) return undefined;
  if (field.type === "NUMERIC") return readNumber(value);
  return field.unf ? value : fold(value);
}

/** The wire form of a sort key: `#` before a number, `$` before text. */
export function sortKeyText(key: SortKey): string | null {
  if (key === undefined) return null;
  return typeof key === "number" ? `#${key}` : `$${key}`;
}

/** Orders two keys; documents without the field are last in both directions. */
export function compareSortKeys(a: SortKey, b: SortKey, descending: boolean): number {
  if (a === undefined || b === undefined) {
    return Number(a === undefined) - Number(b === undefined);
  }
  if (a === b) return 0;
  return a < b === descending ? 1 : -1;
}
