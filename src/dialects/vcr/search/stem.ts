import snowball from "snowball-stemmers";
import { STEM_CHARS_MAX, STEM_MEMORY_MAX } from "./limit.ts";
import { SearchError } from "./search-error.ts";

/** Returns the stem of a lower-case word; the word itself when it has no other. */
export type Stem = (word: string) => string;

/** The default language. */
export const LANGUAGE_DEFAULT = "english";

const LANGUAGES: ReadonlySet<string> = new Set(
  // "porter" is an older algorithm for English, not a language.
  snowball.algorithms().filter((name) => name !== "porter"),
);

const stems = new Map<string, Stem>();

/** True for a language whose words can be stemmed; case does not matter. */
export function isLanguage(language: string): boolean {
  return LANGUAGES.has(language.toLowerCase());
}

/** Returns the stemmer of a language. Throws `BAD_OPTION` for an unknown one. */
export function stemOf(language: string): Stem {
  const name = language.toLowerCase();
  const known = stems.get(name);
  if (known !== undefined) return known;
  if (!LANGUAGES.has(name)) throw new SearchError("BAD_OPTION", "the language is not supported");
  const stem = createStem(name);
  stems.set(name, stem);
  return stem;
}

function createStem(language: string): Stem {
  const stemmer = snowball.newStemmer(language);
  // The algorithm takes about ten microseconds per word, so its results are cached.
  const memory = new Map<string, string>();
  return (word) => {
    const known = memory.get(word);
    if (known !== undefined) return known;
    if (word.length > STEM_CHARS_MAX) return word;
    const stem = stemmer.stem(word);
    if (memory.size >= STEM_MEMORY_MAX) memory.clear();
    memory.set(word, stem === "" ? word : stem);
    return stem === "" ? word : stem;
  };
}
