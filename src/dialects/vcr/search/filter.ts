import { FILTER_CHARS_MAX, QUERY_DEPTH_MAX } from "./limit.ts";
import { readNumber } from "./number.ts";
import { SearchError } from "./search-error.ts";

/** The fields of one document, by their own names. */
export type DocumentFields = ReadonlyMap<string, string>;

/** Returns whether a document belongs in the index. */
export type FilterCheck = (fields: DocumentFields) => boolean;

type Operand =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "value"; readonly value: string };

interface Token {
  readonly text: string;
  readonly offset: number;
}

const TOKEN = /\s*(&&|\|\||[=!<>]=|[<>()]|@\w+|'[^']*'|"[^"]*"|-?\d+(?:\.\d+)?)/y;
const COMPARISONS: ReadonlyMap<string, (order: number) => boolean> = new Map([
  ["==", (order) => order === 0],
  ["!=", (order) => order !== 0],
  ["<", (order) => order < 0],
  ["<=", (order) => order <= 0],
  [">", (order) => order > 0],
  [">=", (order) => order >= 0],
]);

/**
 * Parses an index filter: comparisons of `@field`, numbers and quoted texts, joined by `&&`, `||`
 * and parentheses. A comparison with a missing field is false. Throws `SYNTAX` with the offset,
 * `LIMIT` when it is too long or nests too deep.
 */
export function parseFilter(text: string): FilterCheck {
  if (text.length > FILTER_CHARS_MAX) {
    throw new SearchError("LIMIT", `the filter is longer than ${FILTER_CHARS_MAX} characters`);
  }
  const reader = new FilterReader(readTokens(text), text.length);
  const check = readAny(reader, 0);
  if (reader.peek() !== undefined) reader.fail();
  return check;
}

class FilterReader {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #at = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  peek(): string | undefined {
    return this.#tokens[this.#at]?.text;
  }

  next(): string {
    const token = this.peek();
    if (token === undefined) this.fail();
    this.#at += 1;
    return token;
  }

  take(text: string): boolean {
    if (this.peek() !== text) return false;
    this.#at += 1;
    return true;
  }

  fail(): never {
    const offset = this.#tokens[this.#at]?.offset ?? this.#end;
    throw new SearchError("SYNTAX", "syntax error in the filter", offset);
  }
}

function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  while (text.slice(offset).trim() !== "") {
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(text);
    const token = match?.[1];
    if (token === undefined) throw new SearchError("SYNTAX", "syntax error in the filter", offset);
    tokens.push({ text: token, offset: TOKEN.lastIndex - token.length });
    offset = TOKEN.lastIndex;
  }
  return tokens;
}

function readAny(reader: FilterReader, depth: number): FilterCheck {
  if (depth > QUERY_DEPTH_MAX) {
    throw new SearchError("LIMIT", `the filter nests deeper than ${QUERY_DEPTH_MAX}`);
  }
  const checks = [readEvery(reader, depth)];
  while (reader.take("||")) checks.push(readEvery(reader, depth));
  return (fields) => checks.some((check) => check(fields));
}

function readEvery(reader: FilterReader, depth: number): FilterCheck {
  const checks = [readComparison(reader, depth)];
  while (reader.take("&&")) checks.push(readComparison(reader, depth));
  return (fields) => checks.every((check) => check(fields));
}

function readComparison(reader: FilterReader, depth: number): FilterCheck {
  if (reader.take("(")) {
    const check = readAny(reader, depth + 1);
    if (!reader.take(")")) reader.fail();
    return check;
  }
  const left = readOperand(reader);
  const compare = COMPARISONS.get(reader.peek() ?? "");
  if (compare === undefined) reader.fail();
  reader.next();
  const right = readOperand(reader);
  return (fields) => {
    const order = orderOf(valueOf(left, fields), valueOf(right, fields));
    return order !== undefined && compare(order);
  };
}

function readOperand(reader: FilterReader): Operand {
  const text = reader.peek() ?? "";
  if (text.startsWith("@")) return { kind: "field", name: reader.next().slice(1) };
  if (/^['"]/.test(text)) return { kind: "value", value: reader.next().slice(1, -1) };
  if (/^-?\d/.test(text)) return { kind: "value", value: reader.next() };
  return reader.fail();
}

function valueOf(operand: Operand, fields: DocumentFields): string | undefined {
  return operand.kind === "field" ? fields.get(operand.name) : operand.value;
}

function orderOf(left: string | undefined, right: string | undefined): number | undefined {
  if (left === undefined || right === undefined) return undefined;
  const difference = readNumber(left) - readNumber(right);
  if (!Number.isNaN(difference)) return difference;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
