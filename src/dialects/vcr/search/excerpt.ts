import type { MatchSet } from "./match-set.ts";
import type { HighlightOptions, SummarizeOptions } from "./option.ts";
import type { Stem } from "./stem.ts";
import { forEachToken } from "./tokenize.ts";

/** A word of a text: its range and whether the query contains it. */
interface TextWord {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** How the matches of a query are shown in a text. */
export interface ExcerptOptions {
  readonly matches: MatchSet;
  readonly stem: Stem;
  readonly highlight?: HighlightOptions | undefined;
  readonly summarize?: SummarizeOptions | undefined;
}

const FRAGMENTS_DEFAULT = 3;
const FRAGMENT_WORDS_DEFAULT = 20;
const SEPARATOR_DEFAULT = "... ";

/** Returns a text with its matched words marked, cut to fragments, or both. */
export function excerpt(text: string, options: ExcerptOptions): string {
  const words = readWords(text, options);
  const { summarize } = options;
  if (summarize === undefined) return mark(text, words, options.highlight);
  const separator = summarize.separator ?? SEPARATOR_DEFAULT;
  return fragments(words, summarize)
    .map((fragment) => {
      const start = fragment[0]?.start ?? 0;
      const end = fragment.at(-1)?.end ?? 0;
      const moved = fragment.map((word) => ({
        ...word,
        start: word.start - start,
        end: word.end - start,
      }));
      return mark(text.slice(start, end), moved, options.highlight) + separator;
    })
    .join("");
}

function readWords(text: string, options: ExcerptOptions): TextWord[] {
  const { matches, stem } = options;
  const words: TextWord[] = [];
  forEachToken(text, (term, start, end) => {
    const isMatch =
      matches.words.has(term) || (matches.stems.size > 0 && matches.stems.has(stem(term)));
    words.push({ start, end, isMatch });
    return true;
  });
  return words;
}

function mark(
  text: string,
  words: readonly TextWord[],
  highlight: HighlightOptions | undefined,
): string {
  if (highlight === undefined) return text;
  const { open, close } = highlight.tags ?? { open: "<b>", close: "</b>" };
  let marked = "";
  let copied = 0;
  for (const { start, end, isMatch } of words) {
    if (!isMatch) continue;
    marked += text.slice(copied, start) + open + text.slice(start, end) + close;
    copied = end;
  }
  return marked + text.slice(copied);
}

/**
 * Windows of words around the matches, those with most matches first, returned in the order of the
 * text.
 */
function fragments(
  words: readonly TextWord[],
  options: SummarizeOptions,
): readonly (readonly TextWord[])[] {
  const length = Math.max(1, options.len ?? FRAGMENT_WORDS_DEFAULT);
  const windows: { readonly start: number; readonly matches: number }[] = [];
  let end = 0;
  for (const [at, word] of words.entries()) {
    if (!word.isMatch || at < end) continue;
    const latest = Math.max(0, words.length - length);
    const start = Math.max(end, Math.min(at - (length >> 2), latest));
    end = start + length;
    const matches = words.slice(start, end).filter((other) => other.isMatch).length;
    windows.push({ start, matches });
  }
  if (windows.length === 0) return words.length === 0 ? [] : [words.slice(0, length)];
  const chosen = windows
    .toSorted((a, b) => b.matches - a.matches || a.start - b.start)
    .slice(0, Math.max(1, options.frags ?? FRAGMENTS_DEFAULT))
    .toSorted((a, b) => a.start - b.start);
  return chosen.map(({ start }) => words.slice(start, start + length));
}
