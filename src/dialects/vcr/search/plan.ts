import type { Posting } from "./posting.ts";

/** The text fields that count, by ordinal; undefined means all. */
export type FieldSet = ReadonlySet<number> | undefined;

/**
 * A query bound to an index: terms are postings, ranges are documents, stop words are removed.
 * Weights multiply the score of their part.
 */
export type Plan =
  | { readonly kind: "none" }
  | { readonly kind: "all"; readonly weight: number }
  | TermPlan
  | { readonly kind: "documents"; readonly documents: Uint32Array }
  | UnionPlan
  | EveryPlan
  | { readonly kind: "not" | "optional"; readonly part: Plan };

/** One term, in some fields. */
export interface TermPlan {
  readonly kind: "term";
  readonly posting: Posting;
  readonly form: "word" | "stem" | "tag";
  readonly fields: FieldSet;
  readonly weight: number;
}

/** Alternatives; scores add up, or with `best` only the highest counts. */
interface UnionPlan {
  readonly kind: "union";
  readonly parts: readonly Plan[];
  readonly best: boolean;
  readonly weight: number;
}

/** Parts that must all match, near each other when `slop` is set. */
export interface EveryPlan {
  readonly kind: "every";
  readonly parts: readonly Plan[];
  readonly slop: number | undefined;
  readonly inOrder: boolean;
  readonly weight: number;
}

/** Matches no document. */
export const NONE: Plan = { kind: "none" };
