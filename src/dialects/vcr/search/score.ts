import type { DocumentTable } from "./document-table.ts";

// The two constants of BM25: the saturation of repeats, and the weight of the length.
const K1 = 1.2;
const B = 0.75;

/** The inverse frequency of a term that `matching` of `total` documents have. */
export function inverseFrequency(total: number, matching: number): number {
  return Math.log(1 + (total - matching + 0.5) / (matching + 0.5));
}

/**
 * Scores one term in a document: (inverse frequency, weighted count, document number) to a number.
 */
export type TermScore = (inverse: number, frequency: number, document: number) => number;

/** Returns the BM25 scorer for the present documents. */
export function termScorer(documents: DocumentTable): TermScore {
  const average = documents.averageLength;
  const slope = average === 0 ? 0 : (K1 * B) / average;
  const floor = K1 * (1 - B);
  return (inverse, frequency, document) =>
    (inverse * frequency * (K1 + 1)) / (frequency + floor + slope * documents.lengthOf(document));
}
