import { describe, expect, it } from "vitest";
import {
  PATTERN_CHARS_MAX,
  QUERY_BYTES_MAX,
  QUERY_DEPTH_MAX,
  QUERY_PATTERNS_MAX,
  QUERY_TERMS_MAX,
} from "../../../../../src/dialects/vcr/search/limit.ts";
import { parseQuery } from "../../../../../src/dialects/vcr/search/query-parser.ts";
import type { QueryNode, TagChoice } from "../../../../../src/dialects/vcr/search/query-tree.ts";
import { SearchError } from "../../../../../src/dialects/vcr/search/search-error.ts";

/** Writes a tree on one line, so that a case reads as query and meaning. */
function draw(node: QueryNode): string {
  const { weight, slop, inOrder } = node.attributes ?? {};
  const marks = [
    weight === undefined ? "" : `^${weight}`,
    slop === undefined ? "" : `~${slop}`,
    inOrder === undefined ? "" : inOrder ? ">" : "<>",
  ];
  return drawBare(node) + marks.join("");
}

function drawBare(node: QueryNode): string {
  switch (node.kind) {
    case "nothing":
    case "all":
      return node.kind;
    case "word":
      return node.text;
    case "phrase":
      return `"${node.words.join(" ")}"`;
    case "pattern":
      return JSON.stringify(Object.values(node.pattern));
    case "and":
    case "or":
      return `${node.kind}(${node.parts.map(draw).join(" ")})`;
    case "not":
    case "optional":
      return `${node.kind}(${draw(node.part)})`;
    case "scope":
      return `${node.fields.map(({ name }) => name).join("|")}:${draw(node.part)}`;
    case "tags":
      return `${node.field.name}{${node.choices.map(drawTag).join()}}`;
    case "numeric":
      return `${node.field.name}[${Object.values(node.range).join()}]`;
    case "geo":
      return `${node.field.name}[${Object.values(node.circle).join()}]`;
  }
}

function drawTag(choice: TagChoice): string {
  return Object.values(choice).join("=");
}

const params = new Map<string, string | number>([
  ["word", "Hello"],
  ["slash", "a\\b"],
  ["low", 3],
  ["high", "inf"],
  ["unit", "KM"],
  ["yes", "true"],
]);

describe("parseQuery", () => {
  it.each([
    ["", "nothing"],
    [" ,. ", "nothing"],
    ["*", "all"],
    [" * ", "all"],
    ["Hello", "hello"],
    ["hello world", "and(hello world)"],
    ["a|b c|d", "or(a and(b c) d)"],
    ["(a|b) c", "and(or(a b) c)"],
    ["((a))", "a"],
    ["-a", "not(a)"],
    ["--a", "not(not(a))"],
    ["a -b", "and(a not(b))"],
    ["user-name", "and(user not(name))"],
    ["~a b", "and(optional(a) b)"],
    ["-(a b)", "not(and(a b))"],
    ["it's", "and(it s)"],
    ["foo.bar,baz/1", "and(foo bar baz 1)"],
    ["C++", "c"],
    ["!a", "a"],
    ["hello=world", "and(hello world)"],
    ["under_score", "under_score"],
    ["ÜBER straße 東京 😀", "and(über straße 東京 😀)"],
    ["ΣΊΣ", "σίσ"],
    ["esc\\-aped \\@x \\\\y", "and(esc-aped @x \\y)"],
    ["a\\", "a"],
    ['"Quick  brown"', '"quick brown"'],
    ['"foo.bar"', '"foo bar"'],
    ['"a \\"b"', '"a "b"'],
    ["hel*", '["prefix","hel"]'],
    ["*llo", '["suffix","llo"]'],
    ["*ELL*", '["infix","ell"]'],
    ["hel* x", 'and(["prefix","hel"] x)'],
    ["%a%", '["fuzzy","a",1]'],
    ["%%Ab%%", '["fuzzy","ab",2]'],
    ["%%%abc%%%", '["fuzzy","abc",3]'],
    ["w'h?l*'", '["glob","h?l*"]'],
    ["wide", "wide"],
    ["@t:hello world", "and(t:hello world)"],
    ["@t:(hello world)", "t:and(hello world)"],
    ["@a|b:x", "a|b:x"],
    ["@ a | b : x", "a|b:x"],
    ["@t:-x", "t:not(x)"],
    ['@t:"a b"', 't:"a b"'],
    ["@t:hel*", 't:["prefix","hel"]'],
    ["@a:x|@b:y", "or(a:x b:y)"],
    ["@__proto__:x", "__proto__:x"],
    ["@a\\-b:x", "a-b:x"],
    ["@g:{red}", "g{exact=red}"],
    ["@g:{ Blue Sky | c\\.d }", "g{exact=Blue Sky,exact=c.d}"],
    ["@g:{a-b|x@y.z}", "g{exact=a-b,exact=x@y.z}"],
    ['@g:{"a|b"}', "g{exact=a|b}"],
    ["@g:{re*|*ed|*e*|w'r?d'}", "g{prefix=re,suffix=ed,infix=e,glob=r?d}"],
    ["@g:{$word}", "g{exact=Hello}"],
    ["@n:[1 2]", "n[1,2,false,false]"],
    ["@n:[1,2]", "n[1,2,false,false]"],
    ["@n:[(1 (2.5]", "n[1,2.5,true,true]"],
    ["@n:[-inf +inf]", "n[-Infinity,Infinity,false,false]"],
    ["@n:[-1.5e3 .5]", "n[-1500,0.5,false,false]"],
    ["@n:[10]", "n[10,10,false,false]"],
    ["@n:[$low $high]", "n[3,Infinity,false,false]"],
    ["@p:[-0.1 51.5 50 km]", "p[-0.1,51.5,50,km]"],
    ["@p:[1 2 3 $unit]", "p[1,2,3,km]"],
    ["$word", "hello"],
    ["$slash", "a\\b"],
    ["$word*", '["prefix","hello"]'],
    ["%$word%", '["fuzzy","hello",1]'],
    ["(a)=>{$weight:3}", "a^3"],
    ["(a b) => { $slop: 1; $inorder: true; }", "and(a b)~1>"],
    ["a=>{$inorder:$yes} b", "and(a> b)"],
    ["((a)=>{$weight:2;$slop:1})=>{$weight:3}", "a^3~1"],
    ["@t:x=>{$weight:2}", "t:x^2"],
    ["a=>{}", "a"],
  ])("reads %j as %s", (query, meaning) => {
    expect(draw(parseQuery(query, params))).toBe(meaning);
  });

  it.each([
    ["(hello", 6],
    ["hello)", 5],
    ["()", 1],
    ["|a", 0],
    ["a|", 2],
    ["a||b", 2],
    ["-", 1],
    ["~", 1],
    ["* a", 1],
    ["a *", 3],
    ["hel**", 5],
    ["%hello", 6],
    ["%a%%", 4],
    ["%%%%a%%%%", 3],
    ["% a%", 1],
    ['"a', 2],
    ['""', 1],
    ["w'a", 3],
    ["hello:world", 5],
    ["a;b", 1],
    ["a{b", 1],
    ["a[b", 1],
    ["a]", 1],
    ["a}", 1],
    ["@title", 6],
    ["@", 1],
    ["@:x", 1],
    ["@a|:x", 3],
    ["@a:", 3],
    ["@a|b:{x}", 5],
    ["@g:{}", 4],
    ["@g:{a|}", 6],
    ["@g:{a", 5],
    ['@g:{"a}', 7],
    ["@n:[1 2", 7],
    ["@n:[a b]", 4],
    ["@n:[]", 4],
    ["@n:[(1]", 3],
    ["@n:[1 $word]", 6],
    ["@p:[1 2 3]", 9],
    ["@p:[1 2 (3 km]", 8],
    ["@p:[(1 2 3 km]", 3],
    ["a=>", 3],
    ["a=>{$size:1}", 4],
    ["a=>{$weight 1}", 12],
    ["a=>{$weight:-1}", 12],
    ["a=>{$inorder:maybe}", 13],
    ["$", 0],
  ])("refuses %j at offset %i", (query, offset) => {
    expect(refusal(query)).toMatchObject({ code: "SYNTAX", offset });
  });

  it.each([
    ["@n:[20 10]", "BAD_RANGE", 3],
    ["@p:[1 2 3 xx]", "BAD_RANGE", 10],
    ["a $nope", "BAD_OPTION", 2],
    ["a $__proto__", "BAD_OPTION", 2],
  ])("refuses %j with %s at offset %i", (query, code, offset) => {
    expect(refusal(query)).toMatchObject({ code, offset });
  });

  it("keeps the query's text out of the message", () => {
    expect(refusal("secret)").message).not.toContain("secret");
  });

  it("notes where each part starts", () => {
    expect(parseQuery("ab @f:cd")).toMatchObject({
      parts: [{ offset: 0 }, { offset: 3, fields: [{ offset: 4 }], part: { offset: 6 } }],
    });
  });

  it.each([
    ["bytes", "a".repeat(QUERY_BYTES_MAX), "a".repeat(QUERY_BYTES_MAX + 1)],
    ["nesting", nest(QUERY_DEPTH_MAX), nest(QUERY_DEPTH_MAX + 1)],
    ["negations", `${"-".repeat(QUERY_DEPTH_MAX)}a`, `${"-".repeat(QUERY_DEPTH_MAX + 1)}a`],
    ["terms", "a ".repeat(QUERY_TERMS_MAX), "a ".repeat(QUERY_TERMS_MAX + 1)],
    ["phrase words", phrase(QUERY_TERMS_MAX), phrase(QUERY_TERMS_MAX + 1)],
    ["patterns", "ab* ".repeat(QUERY_PATTERNS_MAX), "ab* ".repeat(QUERY_PATTERNS_MAX + 1)],
    [
      "pattern length",
      `${"a".repeat(PATTERN_CHARS_MAX)}*`,
      `${"a".repeat(PATTERN_CHARS_MAX + 1)}*`,
    ],
  ])("accepts the most %s and refuses one more", (_what, most, more) => {
    expect(() => parseQuery(most)).not.toThrow();
    expect(refusal(more)).toMatchObject({ code: "LIMIT" });
  });
});

function nest(depth: number): string {
  return `${"(".repeat(depth)}a${")".repeat(depth)}`;
}

function phrase(words: number): string {
  return `"${"a ".repeat(words)}"`;
}

function refusal(query: string): SearchError {
  try {
    parseQuery(query, params);
  } catch (error) {
    if (error instanceof SearchError) return error;
    throw error;
  }
  throw new Error("the query was not refused");
}
