import type { DocumentFields } from "./filter.ts";
import type { GeoPoint } from "./geo.ts";
import type { Dictionary } from "./dictionary.ts";
import type { Posting, Renumber } from "./posting.ts";

/** The terms that a document adds to one dictionary: kept for their removal. */
interface DocumentTerms {
  readonly dictionary: Dictionary;
  readonly postings: readonly Posting[];
}

/** One indexed document. */
export interface DocumentRecord {
  readonly id: string;
  readonly fields: DocumentFields;
  readonly terms: readonly DocumentTerms[];
  /** Locations by GEO field; undefined when the index has none. */
  readonly locations: ReadonlyMap<string, GeoPoint> | undefined;
  /** The number of weighted words, without stop words. */
  readonly length: number;
  readonly score: number;
}

/**
 * The documents of an index by number. A number is used only once, so the numbers have the order of
 * the latest writes; they restart at 0 only when the whole index is renumbered.
 */
export class DocumentTable {
  #records: (DocumentRecord | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  #lengths = new Float64Array(64);
  #totalLength = 0;

  /** The number of documents. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The number of the next document. */
  get next(): number {
    return this.#records.length;
  }

  /** The average weighted length; 0 when there is no document. */
  get averageLength(): number {
    return this.size === 0 ? 0 : this.#totalLength / this.size;
  }

  /**
   * True when a number belongs to a document; bound, so it can be passed on. The next number counts
   * as one, because a document's terms are added before the document itself.
   */
  readonly isPresent = (number: number): boolean =>
    this.#records[number] !== undefined || number === this.#records.length;

  /** The number of a document. */
  numberOf(id: string): number | undefined {
    return this.#numbers.get(id);
  }

  /** A document by number. */
  recordOf(number: number): DocumentRecord | undefined {
    return this.#records[number];
  }

  /** The weighted length of a document. */
  lengthOf(number: number): number {
    return this.#lengths[number] ?? 0;
  }

  /** Adds a document under the next number. */
  add(record: DocumentRecord): void {
    const number = this.#records.length;
    this.#records.push(record);
    this.#numbers.set(record.id, number);
    if (number >= this.#lengths.length) {
      const grown = new Float64Array(number * 2);
      grown.set(this.#lengths);
      this.#lengths = grown;
    }
    this.#lengths[number] = record.length;
    this.#totalLength += record.length;
  }

  /** Removes a document and returns it. */
  remove(id: string): DocumentRecord | undefined {
    const number = this.#numbers.get(id);
    if (number === undefined) return undefined;
    const record = this.#records[number];
    this.#records[number] = undefined;
    this.#numbers.delete(id);
    this.#totalLength -= record?.length ?? 0;
    return record;
  }

  /** Closes the gaps and returns the map from old numbers to new ones. */
  renumber(): Renumber {
    const old = this.#records;
    const numbers = new Int32Array(old.length).fill(-1);
    this.#records = [];
    this.#lengths = new Float64Array(Math.max(64, this.size));
    this.#totalLength = 0;
    for (const [number, record] of old.entries()) {
      if (record === undefined) continue;
      numbers[number] = this.#records.length;
      this.add(record);
    }
    return (number) => numbers[number] ?? -1;
  }
}
