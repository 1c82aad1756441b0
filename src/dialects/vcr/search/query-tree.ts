/** The attributes that may follow a part of a query in `=>{ … }`. */
export interface QueryAttributes {
  readonly weight?: number;
  readonly slop?: number;
  readonly inOrder?: boolean;
}

/** A field as named in the query. */
export interface FieldName {
  readonly name: string;
  readonly offset: number;
}

/** A description of dictionary terms. A distance counts single-character edits. */
export type Pattern =
  | { readonly kind: "prefix" | "suffix" | "infix" | "glob"; readonly text: string }
  | { readonly kind: "fuzzy"; readonly text: string; readonly distance: number };

/** One alternative inside `@tag:{ … }`; its case is as written. */
export type TagChoice = { readonly kind: "exact"; readonly text: string } | Pattern;

/** A numeric interval; bounds may be infinite. */
export interface NumericRange {
  readonly min: number;
  readonly max: number;
  readonly exclusiveMin: boolean;
  readonly exclusiveMax: boolean;
}

/** A circle on the globe: degrees, then a radius in `unit`. */
export interface GeoCircle {
  readonly lon: number;
  readonly lat: number;
  readonly radius: number;
  readonly unit: string;
}

interface NodePosition {
  readonly offset: number;
  readonly attributes?: QueryAttributes;
}

/** A parsed query. Field names are not yet checked against a schema; words are folded. */
export type QueryNode = NodePosition &
  (
    | { readonly kind: "nothing" | "all" }
    | { readonly kind: "word"; readonly text: string }
    | { readonly kind: "phrase"; readonly words: readonly string[] }
    | { readonly kind: "pattern"; readonly pattern: Pattern }
    | { readonly kind: "and" | "or"; readonly parts: readonly QueryNode[] }
    | { readonly kind: "not" | "optional"; readonly part: QueryNode }
    | { readonly kind: "scope"; readonly fields: readonly FieldName[]; readonly part: QueryNode }
    | { readonly kind: "tags"; readonly field: FieldName; readonly choices: readonly TagChoice[] }
    | { readonly kind: "numeric"; readonly field: FieldName; readonly range: NumericRange }
    | { readonly kind: "geo"; readonly field: FieldName; readonly circle: GeoCircle }
  );
