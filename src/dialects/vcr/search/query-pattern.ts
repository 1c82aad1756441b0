import { PATTERN_CHARS_MAX } from "./limit.ts";
import type { QueryLexer } from "./query-lexer.ts";
import type { Pattern, TagChoice } from "./query-tree.ts";
import { SearchError } from "./search-error.ts";
import { fold, toTerm, unescapeText } from "./tokenize.ts";

const DISTANCE_MAX = 3;

/** Counts a pattern and rejects a text longer than `PATTERN_CHARS_MAX`. */
function checked<P extends Pattern>(lexer: QueryLexer, pattern: P, offset: number): P {
  lexer.countPattern(offset);
  if (pattern.text.length <= PATTERN_CHARS_MAX) return pattern;
  throw new SearchError(
    "LIMIT",
    `a pattern is longer than ${PATTERN_CHARS_MAX} characters`,
    offset,
  );
}

/**
 * Reads `word`, `word*`, `*word`, `*word*`, or the same with a parameter for the word. `readText`
 * reads the raw word. Returns undefined when there is none.
 */
export function readPattern(
  lexer: QueryLexer,
  readText: () => string | undefined,
): TagChoice | undefined {
  const offset = lexer.offset;
  const open = lexer.take("*");
  const param = lexer.param();
  const raw = param === undefined ? readText() : undefined;
  if (param === undefined && (raw === undefined || raw === "")) return undefined;
  const close = lexer.take("*");
  const text = param === undefined ? unescapeText(raw ?? "") : String(param);
  // toTerm removes the escapes of a word from the text, so an exact one stays raw here.
  if (!open && !close) return { kind: "exact", text: raw ?? escapeText(text) };
  const kind = open && close ? "infix" : open ? "suffix" : "prefix";
  return checked(lexer, { kind, text }, offset);
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\");
}

/** Reads `%word%`, `%%word%%` or `%%%word%%%`. */
export function readFuzzy(lexer: QueryLexer): Pattern {
  const offset = lexer.offset;
  let distance = 0;
  while (distance < DISTANCE_MAX && lexer.take("%")) distance += 1;
  const param = lexer.param();
  const word = param === undefined ? lexer.word() : undefined;
  if (param === undefined && word === undefined) lexer.fail("expected a word");
  const text = param === undefined ? toTerm(word ?? "") : fold(String(param));
  lexer.expect("%".repeat(distance));
  return checked(lexer, { kind: "fuzzy", text, distance }, offset);
}

/** Reads `w'…'`, in which `?` is one character and `*` any number. */
export function readGlob(lexer: QueryLexer): Pattern {
  const offset = lexer.offset;
  lexer.expect("w'");
  const text = fold(lexer.until("'"));
  lexer.expect("'");
  return checked(lexer, { kind: "glob", text }, offset);
}
