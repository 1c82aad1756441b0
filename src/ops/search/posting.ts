/** Tells whether a document number still stands for a document. */
export type IsAlive = (document: number) => boolean;

/** Gives a document's new number, or -1 when it is gone. */
export type Renumber = (document: number) => number;

// Each document takes three cells: its number, its weighted count, where its positions end.
const STRIDE = 3;
// A posting with fewer dead entries than this is not worth sweeping.
const DEAD_MIN = 16;

/**
 * Where one term occurs. Document numbers only grow, so entries are appended and stay sorted; those
 * of gone documents stay until they outnumber the rest.
 */
export class Posting {
  readonly text: string;
  #cells = new Uint32Array(STRIDE);
  #positions = new Uint32Array(1);
  #size = 0;
  #positionsSize = 0;
  /** Documents that are alive. */
  live = 0;
  /** The stem in the index's own language, kept here once it is known. */
  stem: string | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** Entries, dead ones included. */
  get size(): number {
    return this.#size;
  }

  /** The document number of an entry. */
  documentAt(entry: number): number {
    return this.#cells[entry * STRIDE] ?? 0;
  }

  /** The weighted count of an entry. */
  frequencyAt(entry: number): number {
    return this.#cells[entry * STRIDE + 1] ?? 0;
  }

  /** The positions of an entry, ascending: a view, valid until the next change. */
  positionsAt(entry: number): Uint32Array {
    return this.#positions.subarray(this.#startOf(entry), this.#endOf(entry));
  }

  /** The entry of a document; -1 when it has none. */
  find(document: number): number {
    let low = 0;
    let high = this.#size - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.documentAt(middle);
      if (found === document) return middle;
      if (found < document) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /**
   * Adds one occurrence to the newest document; `position` is left out for tags. Answers true when
   * it is the document's first.
   */
  add(document: number, weight: number, position?: number): boolean {
    const isFirst = this.#size === 0 || this.documentAt(this.#size - 1) !== document;
    if (isFirst) this.#open(document);
    const at = (this.#size - 1) * STRIDE;
    this.#cells[at + 1] = (this.#cells[at + 1] ?? 0) + weight;
    if (position !== undefined) {
      this.#positions = fitted(this.#positions, this.#positionsSize + 1);
      this.#positions[this.#positionsSize] = position;
      this.#positionsSize += 1;
      this.#cells[at + 2] = this.#positionsSize;
    }
    return isFirst;
  }

  /** Counts one document less; the document must already be dead. */
  release(isAlive: IsAlive): void {
    this.live -= 1;
    if (this.#size - this.live < Math.max(DEAD_MIN, this.live)) return;
    this.renumber((document) => (isAlive(document) ? document : -1));
  }

  /** Drops the entries of gone documents and gives the others their new numbers. */
  renumber(renumber: Renumber): void {
    const cells = new Uint32Array(Math.max(1, this.live) * STRIDE);
    const positions = new Uint32Array(Math.max(1, this.#positionsSize));
    let size = 0;
    let positionsSize = 0;
    for (let entry = 0; entry < this.#size; entry++) {
      const document = renumber(this.documentAt(entry));
      if (document === -1) continue;
      const kept = this.positionsAt(entry);
      positions.set(kept, positionsSize);
      positionsSize += kept.length;
      cells[size * STRIDE] = document;
      cells[size * STRIDE + 1] = this.frequencyAt(entry);
      cells[size * STRIDE + 2] = positionsSize;
      size += 1;
    }
    this.#cells = cells;
    this.#positions = positions.slice(0, Math.max(1, positionsSize));
    this.#size = size;
    this.#positionsSize = positionsSize;
  }

  #open(document: number): void {
    const at = this.#size * STRIDE;
    this.#cells = fitted(this.#cells, at + STRIDE);
    this.#cells[at] = document;
    this.#cells[at + 1] = 0;
    this.#cells[at + 2] = this.#positionsSize;
    this.#size += 1;
    this.live += 1;
  }

  #startOf(entry: number): number {
    return entry === 0 ? 0 : this.#endOf(entry - 1);
  }

  #endOf(entry: number): number {
    return this.#cells[entry * STRIDE + 2] ?? 0;
  }
}

/** Gives the array itself when it has room, else a copy of twice the size. */
function fitted(cells: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  if (size <= cells.length) return cells;
  const grown = new Uint32Array(Math.max(size, cells.length * 2));
  grown.set(cells);
  return grown;
}
