import { TERM_CHARS_MAX } from "./limit.ts";

/** The default stop words of an index and its queries. */
export const STOP_WORDS_DEFAULT: ReadonlySet<string> = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such that the their then " +
    "there these they this to was will with"
  ).split(" "),
);

const BACKSLASH = 92;
const CAPITAL_SIGMA = "\u03a3";
const SMALL_SIGMA = "\u03c3";

// ASCII letters, digits and the underscore are parts of words; so is everything beyond ASCII.
const WORD_UNITS: Uint8Array = new Uint8Array(128);
for (let unit = 0; unit < 128; unit++) {
  WORD_UNITS[unit] = /\w/.test(String.fromCharCode(unit)) ? 1 : 0;
}

/** True when a UTF-16 unit belongs to a word without being escaped. */
export function isWordUnit(unit: number): boolean {
  return unit >= 128 || WORD_UNITS[unit] === 1;
}

/**
 * Lower-cases each character separately, so that the position in a word never changes the result.
 */
export function fold(text: string): string {
  if (!text.includes(CAPITAL_SIGMA)) return text.toLowerCase();
  return text.replaceAll(CAPITAL_SIGMA, SMALL_SIGMA).toLowerCase();
}

/** Drops the backslash of each escaped character. */
export function unescapeText(text: string): string {
  return text.includes("\\") ? text.replaceAll(/\\([\s\S])/g, "$1") : text;
}

/** Makes the dictionary form of a raw word: without escapes, folded, cut to the longest term. */
export function toTerm(raw: string): string {
  const term = fold(unescapeText(raw));
  return term.length > TERM_CHARS_MAX ? term.slice(0, TERM_CHARS_MAX) : term;
}

/** Returns the end of the raw word that starts at `start`; `start` itself when there is none. */
export function wordEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH && at + 1 < text.length) at += 2;
    else if (isWordUnit(unit)) at += 1;
    else break;
  }
  return at;
}

/** Receives one word of a text with its range; returns false to stop. */
export type TokenVisitor = (term: string, start: number, end: number) => boolean;

/** Visits the words of a text in order, stop words included. */
export function forEachToken(text: string, visit: TokenVisitor): void {
  let at = 0;
  while (at < text.length) {
    const end = wordEnd(text, at);
    if (end === at) {
      at += 1;
      continue;
    }
    if (!visit(toTerm(text.slice(at, end)), at, end)) return;
    at = end;
  }
}
