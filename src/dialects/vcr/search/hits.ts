/** Documents by ascending number, each with its score. Immutable. */
export interface Hits {
  readonly documents: Uint32Array;
  readonly scores: Float64Array;
}

/** No document. */
export const NO_HITS: Hits = { documents: new Uint32Array(0), scores: new Float64Array(0) };

/** A buffer for hits that are found one by one. */
export class HitsDraft {
  readonly #documents: Uint32Array;
  readonly #scores: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#documents = new Uint32Array(capacity);
    this.#scores = new Float64Array(capacity);
  }

  /** Adds a hit; numbers must ascend and stay within the capacity. */
  push(document: number, score: number): void {
    this.#documents[this.#size] = document;
    this.#scores[this.#size] = score;
    this.#size += 1;
  }

  /** Returns the added hits, as views. */
  finish(): Hits {
    return {
      documents: this.#documents.subarray(0, this.#size),
      scores: this.#scores.subarray(0, this.#size),
    };
  }
}

/** Hits that all score 0. */
export function unscored(documents: Uint32Array): Hits {
  return { documents, scores: new Float64Array(documents.length) };
}

/** Documents in both; scores add up. */
export function intersect(a: Hits, b: Hits): Hits {
  const draft = new HitsDraft(Math.min(a.documents.length, b.documents.length));
  walk(a, b, {
    both: (document, left, right) => draft.push(document, left + right),
  });
  return draft.finish();
}

/** Documents in either; scores add up, or with `best` the higher one counts. */
function unite(a: Hits, b: Hits, best: boolean): Hits {
  const draft = new HitsDraft(a.documents.length + b.documents.length);
  walk(a, b, {
    both: (document, left, right) =>
      draft.push(document, best ? Math.max(left, right) : left + right),
    left: (document, score) => draft.push(document, score),
    right: (document, score) => draft.push(document, score),
  });
  return draft.finish();
}

/** Documents in `a` and not in `b`. */
export function subtract(a: Hits, b: Hits): Hits {
  const draft = new HitsDraft(a.documents.length);
  walk(a, b, { left: (document, score) => draft.push(document, score) });
  return draft.finish();
}

/** Documents in `a`; those in `b` too score more. */
export function enrich(a: Hits, b: Hits): Hits {
  const draft = new HitsDraft(a.documents.length);
  walk(a, b, {
    both: (document, left, right) => draft.push(document, left + right),
    left: (document, score) => draft.push(document, score),
  });
  return draft.finish();
}

/** The same documents with every score multiplied. */
export function scale(hits: Hits, weight: number): Hits {
  if (weight === 1) return hits;
  return { documents: hits.documents, scores: hits.scores.map((score) => score * weight) };
}

/** Unites any number of hits, in pairs, so that no hit is copied more than log n times. */
export function uniteAll(all: readonly Hits[], best: boolean): Hits {
  const first = all[0];
  if (first === undefined) return NO_HITS;
  if (all.length === 1) return first;
  const middle = all.length >> 1;
  return unite(uniteAll(all.slice(0, middle), best), uniteAll(all.slice(middle), best), best);
}

interface WalkVisitor {
  readonly both?: (document: number, left: number, right: number) => void;
  readonly left?: (document: number, score: number) => void;
  readonly right?: (document: number, score: number) => void;
}

const END = Infinity;

function walk(a: Hits, b: Hits, visitor: WalkVisitor): void {
  let i = 0;
  let j = 0;
  let left = a.documents[0] ?? END;
  let right = b.documents[0] ?? END;
  while (left !== END || right !== END) {
    const scoreA = a.scores[i] ?? 0;
    const scoreB = b.scores[j] ?? 0;
    if (left === right) visitor.both?.(left, scoreA, scoreB);
    else if (left < right) visitor.left?.(left, scoreA);
    else visitor.right?.(right, scoreB);
    const low = Math.min(left, right);
    if (left === low) left = a.documents[++i] ?? END;
    if (right === low) right = b.documents[++j] ?? END;
  }
}
