import type { IsPresent, Renumber } from "./posting.ts";

interface Pair {
  readonly value: number;
  readonly document: number;
}

// Values stay unsorted until a range is read or this many are waiting.
const WAITING_MIN = 1024;

/** The numbers of one field: by document for sorting, by value for ranges. */
export class NumericColumn {
  #byDocument: number[] = [];
  #values = new Float64Array(0);
  #documents = new Uint32Array(0);
  #waiting: Pair[] = [];
  readonly #isPresent: IsPresent;

  constructor(isPresent: IsPresent) {
    this.#isPresent = isPresent;
  }

  /** Stores a document's number. */
  add(document: number, value: number): void {
    while (this.#byDocument.length < document) this.#byDocument.push(Number.NaN);
    this.#byDocument[document] = value;
    this.#waiting.push({ value, document });
    if (this.#waiting.length > WAITING_MIN + this.#values.length) this.#settle();
  }

  /** A document's number; NaN when it has none. */
  valueOf(document: number): number {
    return this.#byDocument[document] ?? Number.NaN;
  }

  /** The documents with `min <= value <= max`, in order of value. */
  between(min: number, max: number): Uint32Array {
    this.#settle();
    const start = lowerBound(this.#values, min);
    let end = start;
    while (end < this.#values.length && (this.#values[end] ?? Infinity) <= max) end += 1;
    return this.#documents.subarray(start, end).filter((document) => this.#isPresent(document));
  }

  /** Drops the numbers of removed documents and renumbers the others. */
  renumber(renumber: Renumber): void {
    const old = this.#byDocument;
    this.#byDocument = [];
    this.#values = new Float64Array(0);
    this.#documents = new Uint32Array(0);
    this.#waiting = [];
    for (const [document, value] of old.entries()) {
      const renumbered = renumber(document);
      if (renumbered !== -1 && !Number.isNaN(value)) this.add(renumbered, value);
    }
  }

  #settle(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting.filter((pair) => this.#isPresent(pair.document));
    waiting.sort((a, b) => a.value - b.value || a.document - b.document);
    const size = waiting.length + this.#values.length;
    const values = new Float64Array(size);
    const documents = new Uint32Array(size);
    let at = 0;
    let next = 0;
    const push = (value: number, document: number): void => {
      values[at] = value;
      documents[at] = document;
      at += 1;
    };
    for (let old = 0; old < this.#values.length; old++) {
      const value = this.#values[old] ?? 0;
      const document = this.#documents[old] ?? 0;
      if (!this.#isPresent(document)) continue;
      for (let pair = waiting[next]; pair !== undefined && pair.value < value;) {
        push(pair.value, pair.document);
        next += 1;
        pair = waiting[next];
      }
      push(value, document);
    }
    for (const pair of waiting.slice(next)) push(pair.value, pair.document);
    this.#values = values.slice(0, at);
    this.#documents = documents.slice(0, at);
    this.#waiting = [];
  }
}

/** The index of the first value that is not below `value`. */
function lowerBound(values: Float64Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
