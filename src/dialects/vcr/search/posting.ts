/** Returns whether a number belongs to a document. */
export type IsPresent = (document: number) => boolean;

/** Returns a document's new number, or -1 when it was removed. */
export type Renumber = (document: number) => number;

// Each document has three cells: its number, its weighted count, the end of its positions.
const STRIDE = 3;
// A posting with fewer obsolete entries than this is not swept.
const OBSOLETE_MIN = 16;

/**
 * The occurrences of one term. Document numbers only grow, so entries are appended and stay sorted;
 * those of removed documents stay until they outnumber the rest.
 */
export class Posting {
  readonly text: string;
  #cells: number[] = [];
  #positions: number[] = [];
  /** The number of existing documents. */
  live = 0;
  /** The stem in the index's own language, cached once it is computed. */
  stem: string | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** The number of entries, obsolete ones included. */
  get size(): number {
    return this.#cells.length / STRIDE;
  }

  /** The document number of an entry. */
  documentAt(entry: number): number {
    return this.#cells[entry * STRIDE] ?? 0;
  }

  /** The weighted count of an entry. */
  frequencyAt(entry: number): number {
    return this.#cells[entry * STRIDE + 1] ?? 0;
  }

  /** The positions of an entry, ascending. */
  positionsAt(entry: number): readonly number[] {
    return this.#positions.slice(this.#startOf(entry), this.#endOf(entry));
  }

  /** Visits the entries in order: (document number, weighted count, entry). */
  forEach(visit: (document: number, frequency: number, entry: number) => void): void {
    const cells = this.#cells;
    for (let at = 0; at < cells.length; at += STRIDE) {
      visit(cells[at] ?? 0, cells[at + 1] ?? 0, at / STRIDE);
    }
  }

  /** True when one of an entry's positions is accepted. */
  hasPosition(entry: number, accepts: (position: number) => boolean): boolean {
    const end = this.#endOf(entry);
    for (let at = this.#startOf(entry); at < end; at++) {
      if (accepts(this.#positions[at] ?? 0)) return true;
    }
    return false;
  }

  /** The entry of a document; -1 when it has none. */
  find(document: number): number {
    let low = 0;
    let high = this.size - 1;
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
   * Adds one occurrence to the newest document; `position` is omitted for tags. Returns true when
   * it is the document's first.
   */
  add(document: number, weight: number, position?: number): boolean {
    const at = this.#cells.length - STRIDE;
    const isFirst = at < 0 || this.#cells[at] !== document;
    if (position !== undefined) this.#positions.push(position);
    const end = this.#positions.length;
    if (isFirst) {
      this.#cells.push(document, weight, end);
      this.live += 1;
    } else {
      this.#cells[at + 1] = (this.#cells[at + 1] ?? 0) + weight;
      this.#cells[at + 2] = end;
    }
    return isFirst;
  }

  /** Counts one document less; the document must be removed already. */
  release(isPresent: IsPresent): void {
    this.live -= 1;
    if (this.size - this.live < Math.max(OBSOLETE_MIN, this.live)) return;
    this.renumber((document) => (isPresent(document) ? document : -1));
  }

  /** Drops the entries of removed documents and renumbers the others. */
  renumber(renumber: Renumber): void {
    const cells: number[] = [];
    const positions: number[] = [];
    for (let entry = 0; entry < this.size; entry++) {
      const document = renumber(this.documentAt(entry));
      if (document === -1) continue;
      for (const position of this.positionsAt(entry)) positions.push(position);
      cells.push(document, this.frequencyAt(entry), positions.length);
    }
    this.#cells = cells;
    this.#positions = positions;
  }

  #startOf(entry: number): number {
    return entry === 0 ? 0 : this.#endOf(entry - 1);
  }

  #endOf(entry: number): number {
    return this.#cells[entry * STRIDE + 2] ?? 0;
  }
}
