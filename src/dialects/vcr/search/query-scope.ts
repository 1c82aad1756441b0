import { parseUnit } from "./geo.ts";
import type { QueryLexer } from "./query-lexer.ts";
import { readGlob, readPattern } from "./query-pattern.ts";
import type {
  FieldName,
  GeoCircle,
  NumericRange,
  QueryAttributes,
  TagChoice,
} from "./query-tree.ts";
import { SearchError } from "./search-error.ts";
import { unescapeText } from "./tokenize.ts";

/** Reads `@name|name`. */
export function readNames(lexer: QueryLexer): readonly FieldName[] {
  const names: FieldName[] = [];
  lexer.expect("@");
  do {
    lexer.skipSpace();
    const offset = lexer.offset;
    const name = lexer.word();
    if (name === undefined) lexer.fail("expected a field name");
    names.push({ name: unescapeText(name), offset });
    lexer.skipSpace();
  } while (lexer.take("|"));
  return names;
}

/** Reads `{tag|tag}`. */
export function readTags(lexer: QueryLexer): readonly TagChoice[] {
  const choices: TagChoice[] = [];
  lexer.expect("{");
  do {
    lexer.skipSpace();
    lexer.countTerm(lexer.offset);
    choices.push(readTag(lexer));
    lexer.skipSpace();
  } while (lexer.take("|"));
  lexer.expect("}");
  return choices;
}

function readTag(lexer: QueryLexer): TagChoice {
  if (lexer.take('"')) {
    const text = lexer.until('"');
    lexer.expect('"');
    return { kind: "exact", text: unescapeText(text) };
  }
  if (lexer.peek() === "w" && lexer.peek(1) === "'") return readGlob(lexer);
  const choice = readPattern(lexer, () => lexer.until('|}*"').trim());
  if (choice === undefined) lexer.fail("expected a tag");
  return choice.kind === "exact" ? { kind: "exact", text: unescapeText(choice.text) } : choice;
}

/** The meaning of a `[ … ]` after `@field:`. */
export type RangeNode =
  | { readonly kind: "numeric"; readonly field: FieldName; readonly range: NumericRange }
  | { readonly kind: "geo"; readonly field: FieldName; readonly circle: GeoCircle };

/** Reads `[min max]`, `[value]` or `[lon lat radius unit]`. */
export function readRange(lexer: QueryLexer, field: FieldName): RangeNode {
  const start = lexer.offset;
  lexer.countTerm(start);
  lexer.expect("[");
  const first = readBound(lexer);
  if (lexer.take("]")) {
    if (first.exclusive) lexer.fail("one value cannot exclude itself", start);
    return { kind: "numeric", field, range: rangeOf(first, first) };
  }
  const second = readBound(lexer);
  if (!lexer.take("]")) {
    const circle = readCircle(lexer, first.value, second.value);
    if (first.exclusive || second.exclusive) lexer.fail("a location cannot be exclusive", start);
    return { kind: "geo", field, circle };
  }
  if (first.value > second.value) {
    throw new SearchError("BAD_RANGE", "the numeric range has min above max", start);
  }
  return { kind: "numeric", field, range: rangeOf(first, second) };
}

interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

function rangeOf(low: Bound, high: Bound): NumericRange {
  return {
    min: low.value,
    max: high.value,
    exclusiveMin: low.exclusive,
    exclusiveMax: high.exclusive,
  };
}

function skipRangeGap(lexer: QueryLexer): void {
  lexer.skipSpace();
  if (lexer.take(",")) lexer.skipSpace();
}

function readBound(lexer: QueryLexer): Bound {
  lexer.skipSpace();
  const exclusive = lexer.take("(");
  lexer.skipSpace();
  const value = lexer.number();
  skipRangeGap(lexer);
  return { value, exclusive };
}

function readCircle(lexer: QueryLexer, lon: number, lat: number): GeoCircle {
  const radius = lexer.number();
  skipRangeGap(lexer);
  const offset = lexer.offset;
  const unit = lexer.param() ?? lexer.word();
  if (unit === undefined) lexer.fail("expected a unit");
  lexer.skipSpace();
  lexer.expect("]");
  return { lon, lat, radius, unit: parseUnit(String(unit), offset) };
}

/** Reads `{ $name: value; … }` after `=>`. */
export function readAttributes(lexer: QueryLexer): QueryAttributes {
  const attributes: { weight?: number; slop?: number; inOrder?: boolean } = {};
  lexer.skipSpace();
  lexer.expect("{");
  lexer.skipSpace();
  do {
    lexer.skipSpace();
    if (lexer.peek() === "}") break;
    const offset = lexer.offset;
    lexer.expect("$");
    const name = lexer.word()?.toLowerCase();
    lexer.skipSpace();
    lexer.expect(":");
    lexer.skipSpace();
    if (name === "weight") attributes.weight = readAmount(lexer);
    else if (name === "slop") attributes.slop = readAmount(lexer);
    else if (name === "inorder") attributes.inOrder = readFlag(lexer);
    else lexer.fail("unknown attribute", offset);
    lexer.skipSpace();
  } while (lexer.take(";"));
  lexer.expect("}");
  return attributes;
}

function readAmount(lexer: QueryLexer): number {
  const offset = lexer.offset;
  const value = lexer.number();
  if (value < 0 || !Number.isFinite(value)) lexer.fail("expected a finite number ≥ 0", offset);
  return value;
}

function readFlag(lexer: QueryLexer): boolean {
  const offset = lexer.offset;
  const value = String(lexer.param() ?? lexer.word()).toLowerCase();
  if (value === "true" || value === "1") return true;
  if (value !== "false" && value !== "0") lexer.fail("expected true or false", offset);
  return false;
}
