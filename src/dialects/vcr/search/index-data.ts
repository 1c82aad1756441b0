import { Dictionary } from "./dictionary.ts";
import { DocumentTable } from "./document-table.ts";
import { NumericColumn } from "./numeric-column.ts";
import type { Schema } from "./schema.ts";

/** The contents of an index. Words and stems are shared by all text fields. */
export interface IndexData {
  readonly schema: Schema;
  readonly documents: DocumentTable;
  readonly words: Dictionary;
  readonly stems: Dictionary;
  readonly tags: ReadonlyMap<string, Dictionary>;
  /** Numbers by NUMERIC field, latitudes by GEO field. */
  readonly columns: ReadonlyMap<string, NumericColumn>;
}

/** Makes an empty index. */
export function createIndexData(schema: Schema): IndexData {
  const documents = new DocumentTable();
  const tags = new Map<string, Dictionary>();
  const columns = new Map<string, NumericColumn>();
  for (const field of schema.fields.values()) {
    if (field.type === "TAG") tags.set(field.name, new Dictionary());
    if (field.type === "NUMERIC" || field.type === "GEO") {
      columns.set(field.name, new NumericColumn(documents.isPresent));
    }
  }
  return {
    schema,
    documents,
    words: new Dictionary(),
    stems: new Dictionary(),
    tags,
    columns,
  };
}

/** Closes the gaps that removed documents made in the numbering. */
export function renumber(data: IndexData): void {
  const numbers = data.documents.renumber();
  for (const dictionary of [data.words, data.stems, ...data.tags.values()]) {
    for (const posting of dictionary.postings) posting.renumber(numbers);
  }
  for (const column of data.columns.values()) column.renumber(numbers);
}

// The number of bits of a position for the word's index in its field; the field's ordinal is above.
const WORD_BITS = 24;

/**
 * Joins a text field's ordinal and a word index to one position, so that fields are never adjacent.
 */
export function toPosition(ordinal: number, word: number): number {
  return ((ordinal << WORD_BITS) | word) >>> 0;
}

/** The ordinal of the text field of a position. */
export function ordinalOf(position: number): number {
  return position >>> WORD_BITS;
}
