import type { DocumentFields } from "./filter.ts";
import type { DocumentRecord } from "./document-table.ts";
import { type GeoPoint, parsePoint } from "./geo.ts";
import { type IndexData, renumber, toPosition } from "./index-data.ts";
import { FIELD_POSITIONS_MAX } from "./limit.ts";
import { readNumber } from "./number.ts";
import type { Posting } from "./posting.ts";
import type { SchemaField } from "./schema.ts";
import { type Stem, isLanguage, stemOf } from "./stem.ts";
import { fold, forEachToken } from "./tokenize.ts";

/** Why a document is not in the index: a field's value does not fit its type, or the filter. */
export type LeftOut = { readonly field: string } | { readonly filter: true };

// The weight of a stem found only through another form, relative to the word; never below 1.
const STEM_SHARE = 0.2;
// Numbers are closed up when they exceed the number of documents by this factor.
const GAP_RATIO = 4;
const GAP_MIN = 1024;

/**
 * Replaces a document. Returns undefined when it is indexed, else the reason why not; then it is
 * not found.
 */
export function writeDocument(
  data: IndexData,
  id: string,
  fields: DocumentFields,
): LeftOut | undefined {
  const leftOut = whyLeftOut(data, fields);
  // The new terms are added first, so that unchanged terms stay in the dictionaries.
  const record = leftOut === undefined ? addTerms(data, id, fields) : undefined;
  eraseDocument(data, id);
  if (record !== undefined) data.documents.add(record);
  if (data.documents.next > GAP_MIN + GAP_RATIO * data.documents.size) renumber(data);
  return leftOut;
}

/** Removes a document; returns whether it existed. */
export function eraseDocument(data: IndexData, id: string): boolean {
  const record = data.documents.remove(id);
  if (record === undefined) return false;
  for (const { dictionary, postings } of record.terms) {
    for (const posting of postings) {
      posting.release(data.documents.isPresent);
      if (posting.live === 0) dictionary.remove(posting);
    }
  }
  return true;
}

function whyLeftOut(data: IndexData, fields: DocumentFields): LeftOut | undefined {
  const { schema } = data;
  if (schema.filter !== undefined && !schema.filter(fields)) return { filter: true };
  for (const field of schema.fields.values()) {
    const value = fields.get(field.fieldName);
    if (value === undefined) continue;
    if (field.type === "NUMERIC" && Number.isNaN(readNumber(value))) return { field: field.name };
    if (field.type === "GEO" && parsePoint(value) === undefined) return { field: field.name };
  }
  return undefined;
}

/** The data collected from one document while its fields are read. */
interface Draft {
  readonly number: number;
  readonly words: Posting[];
  readonly stems: Posting[];
  readonly stem: Stem;
  /** True when `stem` is of the index's own language. */
  readonly isOwnStem: boolean;
  length: number;
}

function addTerms(data: IndexData, id: string, fields: DocumentFields): DocumentRecord {
  const number = data.documents.next;
  const stem = stemFor(data, fields);
  const isOwnStem = stem === stemOf(data.schema.language);
  const draft: Draft = { number, words: [], stems: [], stem, isOwnStem, length: 0 };
  const terms = [
    { dictionary: data.words, postings: draft.words },
    { dictionary: data.stems, postings: draft.stems },
  ];
  let locations: Map<string, GeoPoint> | undefined;
  for (const field of data.schema.fields.values()) {
    const value = fields.get(field.fieldName);
    if (value === undefined) continue;
    const tags = data.tags.get(field.name);
    const column = data.columns.get(field.name);
    if (field.type === "TEXT" && field.indexed) addText(data, field, value, draft);
    if (tags !== undefined && field.indexed) {
      const postings = splitTags(field, value).map((tag) => tags.fetch(tag));
      terms.push({ dictionary: tags, postings: postings.filter((tag) => tag.add(number, 1)) });
    }
    if (field.type === "NUMERIC") column?.add(number, readNumber(value));
    const location = field.type === "GEO" ? parsePoint(value) : undefined;
    if (location === undefined) continue;
    locations ??= new Map();
    locations.set(field.name, location);
    column?.add(number, location.lat);
  }
  return { id, fields, terms, locations, length: draft.length, score: scoreOf(data, fields) };
}

function addText(data: IndexData, field: SchemaField, text: string, draft: Draft): void {
  const weight = Math.max(1, Math.floor(field.weight));
  const stemWeight = Math.max(1, Math.floor(field.weight * STEM_SHARE));
  const { stopWords } = data.schema;
  let wordIndex = 0;
  forEachToken(text, (term) => {
    if (stopWords.has(term)) return true;
    const position = toPosition(field.ordinal, wordIndex);
    wordIndex += 1;
    draft.length += weight;
    const word = data.words.fetch(term);
    if (word.add(draft.number, weight, position)) draft.words.push(word);
    const stem = field.stemmed ? stemIn(draft, word) : term;
    if (stem === term) return wordIndex < FIELD_POSITIONS_MAX;
    const posting = data.stems.fetch(stem);
    if (posting.add(draft.number, stemWeight, position)) draft.stems.push(posting);
    return wordIndex < FIELD_POSITIONS_MAX;
  });
}

function stemIn(draft: Draft, word: Posting): string {
  if (!draft.isOwnStem) return draft.stem(word.text);
  word.stem ??= draft.stem(word.text);
  return word.stem;
}

/** The distinct tags of a value: trimmed, folded unless case counts, without empty ones. */
function splitTags(field: SchemaField, value: string): string[] {
  const parts = value.split(field.separator).map((part) => part.trim());
  const tags = field.caseSensitive ? parts : parts.map(fold);
  return [...new Set(tags)].filter((tag) => tag !== "");
}

function stemFor(data: IndexData, fields: DocumentFields): Stem {
  const { language, languageField } = data.schema;
  const own = languageField === undefined ? undefined : fields.get(languageField);
  return stemOf(own !== undefined && isLanguage(own) ? own : language);
}

function scoreOf(data: IndexData, fields: DocumentFields): number {
  const { score, scoreField } = data.schema;
  const own = scoreField === undefined ? undefined : fields.get(scoreField);
  const number = own === undefined ? Number.NaN : readNumber(own);
  return number >= 0 && number <= 1 ? number : score;
}
