/** Documents to search: words of an invented language, the same in every run. */

const WORDS = 45;
const VOCABULARY = 8000;
const SEED = 20_260_101;
const ENDINGS = ["", "s", "ing", "ed", "er", "ly"];
const SYLLABLES = ["ba", "con", "du", "fer", "gol", "ha", "jin", "ko", "lum", "mor", "ne", "pra"];

/** A document. */
export interface Sample extends Record<string, string> {
  readonly body: string;
  readonly tag: string;
  readonly n: string;
}

function createWord(number: number): string {
  let rest = number;
  let word = "";
  do {
    word += SYLLABLES[rest % SYLLABLES.length] ?? "";
    rest = Math.floor(rest / SYLLABLES.length);
  } while (rest > 0);
  return word + (ENDINGS[number % ENDINGS.length] ?? "");
}

const vocabulary = Array.from({ length: VOCABULARY }, (_, number) => createWord(number + 20));

/** A word of few documents. */
export const rareWord: string = vocabulary[VOCABULARY - 10] ?? "";

let state = SEED;

/** A repeatable number from 0 to 1. */
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** Picks a word; early ones are far more frequent, as in a natural text. */
function pickWord(): string {
  return vocabulary[Math.floor(VOCABULARY * random() ** 3)] ?? "";
}

/** Makes a document; another one for the same number when it is asked for again. */
export function createSample(number: number): Sample {
  const body = Array.from({ length: WORDS }, pickWord).join(" ");
  return { body, tag: `t${number % 50}`, n: String(number) };
}
