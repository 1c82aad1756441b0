import { FIELDS_MAX, TEXT_FIELDS_MAX } from "./limit.ts";
import { type FilterCheck, parseFilter } from "./filter.ts";
import { SearchError } from "./search-error.ts";
import { LANGUAGE_DEFAULT, isLanguage } from "./stem.ts";
import { STOP_WORDS_DEFAULT, fold } from "./tokenize.ts";

/** The types of field in an index. */
export type SearchFieldType = "TEXT" | "TAG" | "NUMERIC" | "GEO";

/** One field of an index. */
export interface SearchField {
  /** The document's own field. */
  readonly fieldName: string;
  readonly type: SearchFieldType;
  /** The name queries use instead of `fieldName`. */
  readonly alias?: string;
  /** TEXT: the weight of one occurrence; default 1. */
  readonly weight?: number;
  /** TEXT: words match only as written. */
  readonly noStem?: boolean;
  /** TAG: the one character between tags; default a comma. */
  readonly separator?: string;
  /** TAG: tags differ by case. */
  readonly caseSensitive?: boolean;
  /** Kept for compatibility; every field can be sorted by. */
  readonly sortable?: boolean;
  /** TEXT, TAG: sort keys keep their case. */
  readonly unf?: boolean;
  /** Not searched, only used to sort and returned. */
  readonly noIndex?: boolean;
}

/** The definition of an index. */
export interface SearchDefinition {
  readonly schema: readonly SearchField[];
  /** Words not indexed; default the 33 English ones. */
  readonly stopwords?: readonly string[];
  /** Default `english`. */
  readonly language?: string;
  /** The document's field that names its own language. */
  readonly languageField?: string;
  /** The factor of a document's score, 0 to 1; default 1. */
  readonly score?: number;
  /** The document's field with its own score. */
  readonly scoreField?: string;
  readonly payloadField?: string;
  /** A condition over fields; documents that do not match are not indexed. */
  readonly filter?: string;
}

/** A checked field; `ordinal` counts text fields from 0 and is -1 for the other types. */
export interface SchemaField {
  readonly name: string;
  readonly fieldName: string;
  readonly type: SearchFieldType;
  readonly ordinal: number;
  readonly weight: number;
  readonly stemmed: boolean;
  readonly separator: string;
  readonly caseSensitive: boolean;
  readonly unf: boolean;
  readonly indexed: boolean;
}

/** A checked definition. */
export interface Schema {
  readonly fields: ReadonlyMap<string, SchemaField>;
  readonly textFields: readonly SchemaField[];
  readonly stopWords: ReadonlySet<string>;
  readonly language: string;
  readonly languageField: string | undefined;
  readonly score: number;
  readonly scoreField: string | undefined;
  readonly payloadField: string | undefined;
  readonly filter: FilterCheck | undefined;
}

const TYPES: ReadonlySet<string> = new Set(["TEXT", "TAG", "NUMERIC", "GEO"]);

/** Checks a definition. Throws `BAD_SCHEMA` and names the field, or the filter's own `SYNTAX`. */
export function compileSchema(definition: SearchDefinition): Schema {
  const fields = new Map<string, SchemaField>();
  const textFields: SchemaField[] = [];
  if (definition.schema.length === 0) refuse("the schema has no field");
  if (definition.schema.length > FIELDS_MAX) refuse(`more than ${FIELDS_MAX} fields`);
  for (const given of definition.schema) {
    const field = compileField(given, textFields.length);
    if (fields.has(field.name)) refuse(`field "${field.name}" is there twice`);
    fields.set(field.name, field);
    if (field.type === "TEXT") textFields.push(field);
  }
  if (textFields.length > TEXT_FIELDS_MAX) refuse(`more than ${TEXT_FIELDS_MAX} text fields`);
  const language = definition.language ?? LANGUAGE_DEFAULT;
  if (!isLanguage(language)) refuse("the language is not supported");
  return {
    fields,
    textFields,
    stopWords: definition.stopwords ? new Set(definition.stopwords.map(fold)) : STOP_WORDS_DEFAULT,
    language,
    languageField: definition.languageField,
    score: checkScore(definition.score ?? 1),
    scoreField: definition.scoreField,
    payloadField: definition.payloadField,
    filter: definition.filter === undefined ? undefined : parseFilter(definition.filter),
  };
}

function compileField(given: SearchField, textFields: number): SchemaField {
  const name = given.alias ?? given.fieldName;
  const { weight = 1, separator = "," } = given;
  if (typeof name !== "string" || typeof given.fieldName !== "string")
    refuse("a field has no name");
  if (!TYPES.has(given.type)) refuse(`field "${name}" has a type that is not supported`);
  if (!(Number.isFinite(weight) && weight >= 0)) {
    refuse(`field "${name}" has a weight that is not a number ≥ 0`);
  }
  if (separator.length !== 1) refuse(`field "${name}" has a separator that is not one character`);
  return {
    name,
    fieldName: given.fieldName,
    type: given.type,
    ordinal: given.type === "TEXT" ? textFields : -1,
    weight,
    stemmed: given.noStem !== true,
    separator,
    caseSensitive: given.caseSensitive === true,
    unf: given.unf === true,
    indexed: given.noIndex !== true,
  };
}

function checkScore(score: number): number {
  if (!(score >= 0 && score <= 1)) refuse("the score is not a number from 0 to 1");
  return score;
}

function refuse(message: string): never {
  throw new SearchError("BAD_SCHEMA", `the index definition is refused: ${message}`);
}
