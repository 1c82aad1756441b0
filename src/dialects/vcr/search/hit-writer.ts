import type { DocumentRecord } from "./document-table.ts";
import { type ExcerptOptions, excerpt } from "./excerpt.ts";
import type { IndexData } from "./index-data.ts";
import { matchSet } from "./match-set.ts";
import type { SearchOptions } from "./option.ts";
import type { Plan } from "./plan.ts";
import type { SearchHit } from "./result.ts";
import type { SchemaField } from "./schema.ts";
import { sortKeyOf, sortKeyText } from "./sort-key.ts";
import { stemOf } from "./stem.ts";

/** Makes the search result of one document. */
export type HitWriter = (record: DocumentRecord, score: number) => SearchHit;

/** Prepares the writer of hits for one search. */
export function hitWriter(
  data: IndexData,
  plan: Plan,
  options: SearchOptions,
  sortedBy: SchemaField | undefined,
): HitWriter {
  const { payloadField } = data.schema;
  const readFields = fieldReader(data, plan, options, sortedBy);
  return ({ id, fields, score: ownScore }, score) => ({
    id,
    ...(options.withScores === true ? { score: score * ownScore } : {}),
    ...(options.withPayloads === true ? { payload: fields.get(payloadField ?? "") ?? null } : {}),
    ...(options.withSortKeys === true
      ? { sortKey: sortedBy === undefined ? null : sortKeyText(sortKeyOf(sortedBy, fields)) }
      : {}),
    ...(readFields === undefined ? {} : { fields: Object.fromEntries(readFields(fields)) }),
  });
}

type FieldEntries = Iterable<readonly [string, string]>;

function fieldReader(
  data: IndexData,
  plan: Plan,
  options: SearchOptions,
  sortedBy: SchemaField | undefined,
): ((fields: ReadonlyMap<string, string>) => FieldEntries) | undefined {
  const { returnFields } = options;
  if (options.noContent === true || returnFields?.length === 0) return undefined;
  const show = shower(data, plan, options);
  if (returnFields === undefined) {
    return (fields) =>
      sortedFirst(fields, sortedBy).map(([name, value]) => [name, show(name, value)]);
  }
  const wanted = returnFields.map(({ identifier, property }) => ({
    fieldName: data.schema.fields.get(identifier)?.fieldName ?? identifier,
    name: property ?? identifier,
  }));
  return (fields) => {
    const entries: [string, string][] = [];
    for (const { fieldName, name } of wanted) {
      const value = fields.get(fieldName);
      if (value !== undefined) entries.push([name, show(fieldName, value)]);
    }
    return entries;
  };
}

function sortedFirst(
  fields: ReadonlyMap<string, string>,
  sortedBy: SchemaField | undefined,
): readonly (readonly [string, string])[] {
  const entries = [...fields];
  if (sortedBy === undefined) return entries;
  const isFirst = ([name]: readonly [string, string]): boolean => name === sortedBy.fieldName;
  return [...entries.filter(isFirst), ...entries.filter((entry) => !isFirst(entry))];
}

/** Returns the function that marks and cuts the value of a document's field. */
function shower(
  data: IndexData,
  plan: Plan,
  options: SearchOptions,
): (fieldName: string, value: string) => string {
  const { highlight, summarize } = options;
  if (highlight === undefined && summarize === undefined) return (_fieldName, value) => value;
  const shared = {
    matches: matchSet(plan),
    stem: stemOf(options.language ?? data.schema.language),
  };
  const marked = chosenFields(data, highlight?.fields);
  const cut = chosenFields(data, summarize?.fields);
  return (fieldName, value) => {
    if (!marked.has(fieldName) && !cut.has(fieldName)) return value;
    const excerptOptions: ExcerptOptions = {
      ...shared,
      highlight: marked.has(fieldName) ? highlight : undefined,
      summarize: cut.has(fieldName) ? summarize : undefined,
    };
    return excerpt(value, excerptOptions);
  };
}

/** The named text fields, or all, by the document's own names. */
function chosenFields(data: IndexData, names: readonly string[] | undefined): ReadonlySet<string> {
  const fields = data.schema.textFields.filter(({ name }) => names?.includes(name) ?? true);
  return new Set(fields.map(({ fieldName }) => fieldName));
}
