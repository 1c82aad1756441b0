import { checkCircle } from "./geo.ts";
import type { IndexData } from "./index-data.ts";
import { FIELD_POSITIONS_MAX } from "./limit.ts";
import type { SearchOptions } from "./option.ts";
import { type FieldSet, NONE, type Plan } from "./plan.ts";
import type { Posting } from "./posting.ts";
import type { FieldName, QueryAttributes, QueryNode, TagChoice } from "./query-tree.ts";
import { documentsInCircle, documentsInRange, requireField } from "./range.ts";
import { type Stem, stemOf } from "./stem.ts";
import { fold } from "./tokenize.ts";

/** Binds parsed queries to one index and one set of options. */
export class Planner {
  readonly #data: IndexData;
  readonly #options: SearchOptions;
  readonly #stem: Stem | undefined;

  constructor(data: IndexData, options: SearchOptions) {
    this.#data = data;
    this.#options = options;
    const language = options.language ?? data.schema.language;
    this.#stem = options.verbatim === true ? undefined : stemOf(language);
  }

  /** Returns the plan of a query. Throws for a field that is unknown or of another type. */
  plan(node: QueryNode): Plan {
    return this.#plan(node, this.#allowedFields()) ?? NONE;
  }

  #allowedFields(): FieldSet {
    const { inFields } = this.#options;
    if (inFields === undefined) return undefined;
    const allowed = new Set<number>();
    for (const name of inFields) {
      const field = this.#data.schema.fields.get(name);
      if (field?.type === "TEXT") allowed.add(field.ordinal);
    }
    return allowed;
  }

  /** Returns undefined for a part without meaning: a stop word, or a group of them. */
  #plan(node: QueryNode, fields: FieldSet): Plan | undefined {
    const weight = node.attributes?.weight ?? 1;
    switch (node.kind) {
      case "nothing":
        return undefined;
      case "all":
        return { kind: "all", weight };
      case "word":
        return this.#word(node.text, fields, weight);
      case "phrase": {
        const parts = node.words.map((word) => this.#exact(word, fields));
        return { kind: "every", parts, slop: 0, inOrder: true, weight };
      }
      case "pattern": {
        const words = this.#data.words.expand(node.pattern);
        return union(
          words.map((posting) => wordTerm(posting, fields)),
          true,
          weight,
        );
      }
      case "and":
      case "or":
        return this.#join(node, fields, weight);
      case "not":
      case "optional": {
        const part = this.#plan(node.part, fields);
        return part === undefined ? undefined : { kind: node.kind, part };
      }
      case "scope":
        return this.#plan(node.part, this.#scope(node.fields, fields));
      case "tags":
        return this.#tags(node.field, node.choices, weight);
      case "numeric":
      case "geo":
        return { kind: "documents", documents: this.#range(node) };
    }
  }

  #range(node: QueryNode & { readonly kind: "numeric" | "geo" }): Uint32Array {
    const { name, offset } = node.field;
    if (node.kind === "numeric") {
      const field = requireField(this.#data, name, "NUMERIC", offset);
      return documentsInRange(this.#data, field, node.range);
    }
    const field = requireField(this.#data, name, "GEO", offset);
    checkCircle(node.circle, node.offset);
    return documentsInCircle(this.#data, field, node.circle);
  }

  #scope(names: readonly FieldName[], outer: FieldSet): FieldSet {
    const inner = new Set<number>();
    for (const { name, offset } of names) {
      const { ordinal } = requireField(this.#data, name, "TEXT", offset);
      if (outer === undefined || outer.has(ordinal)) inner.add(ordinal);
    }
    return inner;
  }

  #exact(word: string, fields: FieldSet, weight = 1): Plan {
    const posting = this.#data.words.get(word);
    return posting === undefined ? NONE : { kind: "term", form: "word", posting, fields, weight };
  }

  /** A word matches itself, every word whose stem it is, and its own stem. */
  #word(word: string, fields: FieldSet, weight: number): Plan | undefined {
    if (this.#options.noStopwords !== true && this.#data.schema.stopWords.has(word)) {
      return undefined;
    }
    const exact = this.#exact(word, fields, weight);
    const stemmed = this.#stemmedFields(fields);
    if (this.#stem === undefined || stemmed?.size === 0) return exact;
    const stem = this.#stem(word);
    const parts = [exact];
    const others = this.#data.stems.get(stem);
    if (others !== undefined) {
      parts.push({ kind: "term", form: "stem", posting: others, fields: stemmed, weight: 1 });
    }
    if (stem !== word) parts.push(this.#exact(stem, stemmed));
    return union(parts, false, 1);
  }

  #stemmedFields(fields: FieldSet): FieldSet {
    const { textFields } = this.#data.schema;
    if (textFields.every((field) => field.stemmed)) return fields;
    const stemmed = textFields.filter((field) => field.stemmed).map((field) => field.ordinal);
    return new Set(stemmed.filter((ordinal) => fields === undefined || fields.has(ordinal)));
  }

  #tags(name: FieldName, choices: readonly TagChoice[], weight: number): Plan {
    const field = requireField(this.#data, name.name, "TAG", name.offset);
    const dictionary = this.#data.tags.get(field.name);
    if (dictionary === undefined) return NONE;
    const parts = choices.map((choice) => {
      const text = field.caseSensitive ? choice.text : fold(choice.text);
      if (choice.kind !== "exact") {
        return union(dictionary.expand({ ...choice, text }).map(tagTerm), true, 1);
      }
      const posting = dictionary.get(text);
      return posting === undefined ? NONE : tagTerm(posting);
    });
    return union(parts, false, weight);
  }

  #join(
    node: QueryNode & { readonly kind: "and" | "or"; readonly parts: readonly QueryNode[] },
    fields: FieldSet,
    weight: number,
  ): Plan | undefined {
    const parts: Plan[] = [];
    for (const child of node.parts) {
      const part = this.#plan(child, fields);
      if (part !== undefined) parts.push(part);
    }
    if (parts.length === 0) return undefined;
    if (node.kind === "or") return union(parts, false, weight);
    return { kind: "every", parts, ...this.#nearness(node.attributes), weight };
  }

  #nearness(attributes: QueryAttributes | undefined): {
    slop: number | undefined;
    inOrder: boolean;
  } {
    const inOrder = attributes?.inOrder ?? this.#options.inOrder ?? false;
    const slop = attributes?.slop ?? this.#options.slop;
    if (slop === undefined) return { slop: inOrder ? FIELD_POSITIONS_MAX : undefined, inOrder };
    // A larger slop would reach from one field into the next.
    return { slop: Math.min(slop, FIELD_POSITIONS_MAX), inOrder };
  }
}

function tagTerm(posting: Posting): Plan {
  return { kind: "term", form: "tag", posting, fields: undefined, weight: 1 };
}

function wordTerm(posting: Posting, fields: FieldSet): Plan {
  return { kind: "term", form: "word", posting, fields, weight: 1 };
}

function union(parts: readonly Plan[], isBest: boolean, weight: number): Plan {
  const able = parts.filter((part) => part.kind !== "none");
  const only = able[0];
  if (only === undefined) return NONE;
  if (able.length === 1 && weight === 1) return only;
  return { kind: "union", parts: able, best: isBest, weight };
}
