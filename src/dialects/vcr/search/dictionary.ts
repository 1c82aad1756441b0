import SearchableMap from "minisearch/SearchableMap";
import { matchesGlob } from "./glob.ts";
import { EXPANSIONS_MAX, PATTERN_CHARS_MIN } from "./limit.ts";
import { Posting } from "./posting.ts";
import type { Pattern } from "./query-tree.ts";

// The engine copies a shorter slice of a text anyway; a longer one would keep the text in memory.
const SLICE_CHARS_MIN = 13;

/** Terms and their postings. The tree for prefixes and edit distances is made when first needed. */
export class Dictionary {
  readonly #postings = new Map<string, Posting>();
  #tree: SearchableMap<Posting> | undefined;

  /** All postings. */
  get postings(): Iterable<Posting> {
    return this.#postings.values();
  }

  /** The number of terms. */
  get size(): number {
    return this.#postings.size;
  }

  /** The posting of a term, if any document has it. */
  get(text: string): Posting | undefined {
    return this.#postings.get(text);
  }

  /** The posting of a term, made when it does not exist. */
  fetch(text: string): Posting {
    const known = this.#postings.get(text);
    if (known !== undefined) return known;
    const posting = new Posting(ownText(text));
    this.#postings.set(posting.text, posting);
    this.#tree?.set(posting.text, posting);
    return posting;
  }

  /** Removes a term. */
  remove(posting: Posting): void {
    this.#postings.delete(posting.text);
    this.#tree?.delete(posting.text);
  }

  /** The postings that match a pattern, at most `EXPANSIONS_MAX`. */
  expand(pattern: Pattern): readonly Posting[] {
    const { text } = pattern;
    if (pattern.kind === "fuzzy") return this.#withinDistance(text, pattern.distance);
    if (pattern.kind === "glob") return this.#matching((term) => matchesGlob(term, text));
    if (text.length < PATTERN_CHARS_MIN) return [];
    if (pattern.kind === "suffix") return this.#matching((term) => term.endsWith(text));
    if (pattern.kind === "infix") return this.#matching((term) => term.includes(text));
    return first(this.#treeMade().atPrefix(text).values(), () => true);
  }

  #matching(accepts: (term: string) => boolean): readonly Posting[] {
    return first(this.#postings.values(), (posting) => accepts(posting.text));
  }

  #withinDistance(text: string, distance: number): readonly Posting[] {
    const found: Posting[] = [];
    for (const [posting] of this.#treeMade().fuzzyGet(text, distance).values()) {
      if (found.length >= EXPANSIONS_MAX) break;
      found.push(posting);
    }
    return found;
  }

  #treeMade(): SearchableMap<Posting> {
    if (this.#tree !== undefined) return this.#tree;
    const tree = new SearchableMap<Posting>();
    for (const [text, posting] of this.#postings) tree.set(text, posting);
    this.#tree = tree;
    return tree;
  }
}

function first(all: Iterable<Posting>, accepts: (posting: Posting) => boolean): Posting[] {
  const found: Posting[] = [];
  for (const posting of all) {
    if (found.length >= EXPANSIONS_MAX) break;
    if (accepts(posting)) found.push(posting);
  }
  return found;
}

function ownText(text: string): string {
  if (text.length < SLICE_CHARS_MIN) return text;
  return Buffer.from(text, "utf16le").toString("utf16le");
}
