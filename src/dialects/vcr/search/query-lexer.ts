import { QUERY_PATTERNS_MAX, QUERY_TERMS_MAX } from "./limit.ts";
import { readNumber } from "./number.ts";
import { SearchError } from "./search-error.ts";
import { isWordUnit, wordEnd } from "./tokenize.ts";

/** Values for `$name` in a query. */
export type QueryParams = ReadonlyMap<string, string | number>;

// ASCII characters with a meaning in a query; every other non-word ASCII character only separates
// words.
const OPERATORS: ReadonlySet<string> = new Set('()|-~"%@*:;{}[]$');

const NUMBER = /[+-]?(?:inf(?![\w])|\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)/iy;
const NAME = /[A-Za-z_]\w*/y;
const SPACE = /\s/;

/** A position in a query text that moves forward, and the readers of the smallest pieces. */
export class QueryLexer {
  readonly text: string;
  readonly #params: QueryParams;
  #terms = 0;
  #patterns = 0;
  offset = 0;

  constructor(text: string, params: QueryParams = new Map()) {
    this.text = text;
    this.#params = params;
  }

  /** The unit at the current position plus `ahead`; the empty string past the end. */
  peek(ahead: number = 0): string {
    return this.text.charAt(this.offset + ahead);
  }

  /** Steps over `piece` when it comes next. */
  take(piece: string): boolean {
    if (!this.text.startsWith(piece, this.offset)) return false;
    this.offset += piece.length;
    return true;
  }

  /** Steps over `piece` or throws a syntax error here. */
  expect(piece: string): void {
    if (!this.take(piece)) this.fail(`expected "${piece}"`);
  }

  /** Throws a syntax error. */
  fail(message: string, offset: number = this.offset): never {
    throw new SearchError("SYNTAX", `syntax error: ${message}`, offset);
  }

  /** Steps over white space only. */
  skipSpace(): void {
    while (this.offset < this.text.length && SPACE.test(this.peek())) this.offset += 1;
  }

  /** Steps over everything that neither belongs to a word nor is an operator. */
  skipSeparators(): void {
    while (this.offset < this.text.length) {
      if (this.atWord() || OPERATORS.has(this.peek()) || this.atAttributes()) return;
      this.offset += 1;
    }
  }

  /** True when a word starts here. */
  atWord(): boolean {
    if (this.offset >= this.text.length) return false;
    if (this.peek() === "\\") return this.offset + 1 < this.text.length;
    return isWordUnit(this.text.charCodeAt(this.offset));
  }

  /** True when `=>` comes next. */
  atAttributes(): boolean {
    return this.text.startsWith("=>", this.offset);
  }

  /** True when nothing but white space is left. */
  atEnd(): boolean {
    return this.text.slice(this.offset).trim() === "";
  }

  /** Reads a raw word, escapes kept; undefined when none starts here. */
  word(): string | undefined {
    const end = wordEnd(this.text, this.offset);
    if (end === this.offset) return undefined;
    const word = this.text.slice(this.offset, end);
    this.offset = end;
    return word;
  }

  /** Reads raw text up to one of `marks` or the end; a mark after a backslash does not count. */
  until(marks: string): string {
    const start = this.offset;
    while (this.offset < this.text.length && !marks.includes(this.peek())) {
      this.offset += this.peek() === "\\" ? 2 : 1;
    }
    this.offset = Math.min(this.offset, this.text.length);
    return this.text.slice(start, this.offset);
  }

  /** Reads `$name` and returns its value; undefined when no name follows a `$` here. */
  param(): string | number | undefined {
    if (this.peek() !== "$") return undefined;
    NAME.lastIndex = this.offset + 1;
    const name = NAME.exec(this.text)?.[0];
    if (name === undefined) return undefined;
    const value = this.#params.get(name);
    if (value === undefined) {
      throw new SearchError("BAD_OPTION", "the query names a parameter not given", this.offset);
    }
    this.offset += name.length + 1;
    return value;
  }

  /** Reads a number, `inf` or a parameter with a number. Throws a syntax error otherwise. */
  number(): number {
    const start = this.offset;
    const value = this.param();
    if (value !== undefined) {
      const number = typeof value === "number" ? value : readNumber(value);
      if (Number.isNaN(number)) this.fail("the parameter is not a number", start);
      return number;
    }
    NUMBER.lastIndex = start;
    const text = NUMBER.exec(this.text)?.[0];
    if (text === undefined) this.fail("expected a number");
    this.offset += text.length;
    return readNumber(text);
  }

  /** Counts terms read so far. Throws `LIMIT` past `QUERY_TERMS_MAX`. */
  countTerm(offset: number): void {
    this.#terms += 1;
    if (this.#terms <= QUERY_TERMS_MAX) return;
    throw new SearchError("LIMIT", `the query has more than ${QUERY_TERMS_MAX} terms`, offset);
  }

  /** Counts patterns read so far. Throws `LIMIT` past `QUERY_PATTERNS_MAX`. */
  countPattern(offset: number): void {
    this.#patterns += 1;
    if (this.#patterns <= QUERY_PATTERNS_MAX) return;
    throw new SearchError(
      "LIMIT",
      `the query has more than ${QUERY_PATTERNS_MAX} patterns`,
      offset,
    );
  }
}
