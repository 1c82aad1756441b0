import { QUERY_BYTES_MAX, QUERY_DEPTH_MAX } from "./limit.ts";
import { QueryLexer, type QueryParams } from "./query-lexer.ts";
import { readFuzzy, readGlob, readPattern } from "./query-pattern.ts";
import { readAttributes, readNames, readRange, readTags } from "./query-scope.ts";
import type { QueryNode } from "./query-tree.ts";
import { SearchError } from "./search-error.ts";
import { fold, toTerm } from "./tokenize.ts";

/**
 * Parses a query text to a tree. Throws a `SearchError` with the offset: `SYNTAX` when the text
 * does not match the grammar, `BAD_OPTION` for a `$name` without a value, `LIMIT` when it is too
 * large.
 */
export function parseQuery(text: string, params?: QueryParams): QueryNode {
  if (Buffer.byteLength(text) > QUERY_BYTES_MAX) {
    throw new SearchError("LIMIT", `the query is longer than ${QUERY_BYTES_MAX} bytes`);
  }
  const lexer = new QueryLexer(text, params);
  lexer.skipSeparators();
  if (lexer.atEnd()) return { kind: "nothing", offset: 0 };
  if (text.trim() === "*") return { kind: "all", offset: 0 };
  const node = readUnion(lexer, 0);
  if (!lexer.atEnd()) lexer.fail("unexpected mark");
  return node;
}

function readUnion(lexer: QueryLexer, depth: number): QueryNode {
  const offset = lexer.offset;
  const parts = [readSequence(lexer, depth)];
  while (lexer.take("|")) parts.push(readSequence(lexer, depth));
  return join("or", parts, offset);
}

function readSequence(lexer: QueryLexer, depth: number): QueryNode {
  lexer.skipSeparators();
  const offset = lexer.offset;
  const parts: QueryNode[] = [];
  while (!atSequenceEnd(lexer)) {
    parts.push(readUnit(lexer, depth));
    lexer.skipSeparators();
  }
  if (parts.length === 0) lexer.fail("expected a term");
  return join("and", parts, offset);
}

function atSequenceEnd(lexer: QueryLexer): boolean {
  const mark = lexer.peek();
  return mark === "" || mark === "|" || mark === ")";
}

function join(kind: "and" | "or", parts: readonly QueryNode[], offset: number): QueryNode {
  const only = parts[0];
  return parts.length === 1 && only !== undefined ? only : { kind, parts, offset };
}

function readUnit(lexer: QueryLexer, depth: number): QueryNode {
  if (depth > QUERY_DEPTH_MAX) {
    throw new SearchError("LIMIT", `the query nests deeper than ${QUERY_DEPTH_MAX}`, lexer.offset);
  }
  lexer.skipSeparators();
  const offset = lexer.offset;
  if (lexer.take("-")) return { kind: "not", part: readUnit(lexer, depth + 1), offset };
  if (lexer.take("~")) return { kind: "optional", part: readUnit(lexer, depth + 1), offset };
  const node = readPrimary(lexer, depth);
  lexer.skipSpace();
  if (!lexer.take("=>")) return node;
  return { ...node, attributes: { ...node.attributes, ...readAttributes(lexer) } };
}

function readPrimary(lexer: QueryLexer, depth: number): QueryNode {
  const offset = lexer.offset;
  const mark = lexer.peek();
  if (mark === "(") return readGroup(lexer, depth);
  if (mark === '"') return readPhrase(lexer);
  if (mark === "@") return readScope(lexer, depth);
  lexer.countTerm(offset);
  if (mark === "%") return { kind: "pattern", pattern: readFuzzy(lexer), offset };
  if (mark === "w" && lexer.peek(1) === "'") {
    return { kind: "pattern", pattern: readGlob(lexer), offset };
  }
  return readTerm(lexer);
}

function readTerm(lexer: QueryLexer): QueryNode {
  const offset = lexer.offset;
  const pattern = readPattern(lexer, () => lexer.word());
  if (pattern === undefined) lexer.fail("expected a term");
  if (pattern.kind === "exact") return { kind: "word", text: toTerm(pattern.text), offset };
  return { kind: "pattern", pattern: { ...pattern, text: fold(pattern.text) }, offset };
}

function readGroup(lexer: QueryLexer, depth: number): QueryNode {
  lexer.expect("(");
  const node = readUnion(lexer, depth + 1);
  lexer.skipSeparators();
  lexer.expect(")");
  return node;
}

function readPhrase(lexer: QueryLexer): QueryNode {
  const offset = lexer.offset;
  const words: string[] = [];
  lexer.expect('"');
  while (!lexer.take('"')) {
    const start = lexer.offset;
    const word = lexer.word();
    if (word !== undefined) {
      lexer.countTerm(start);
      words.push(toTerm(word));
    } else if (lexer.offset < lexer.text.length) lexer.offset += 1;
    else lexer.fail('expected "\\""');
  }
  if (words.length === 0) lexer.fail("expected a word in the phrase", offset + 1);
  return { kind: "phrase", words, offset };
}

function readScope(lexer: QueryLexer, depth: number): QueryNode {
  const offset = lexer.offset;
  const fields = readNames(lexer);
  lexer.skipSpace();
  lexer.expect(":");
  lexer.skipSpace();
  const field = fields[0];
  if (field !== undefined && fields.length === 1) {
    if (lexer.peek() === "{") return { kind: "tags", field, choices: readTags(lexer), offset };
    if (lexer.peek() === "[") return { ...readRange(lexer, field), offset };
  }
  return { kind: "scope", fields, part: readUnit(lexer, depth + 1), offset };
}
