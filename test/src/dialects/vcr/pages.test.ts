/**
 * What the pages say of a vcr. No page or source makes a session while a module is loaded: it would
 * be one for all callers of a process and another one after each start.
 */
import { expect, it } from "vitest";
import { blocksOf } from "../../../support/doc-blocks.ts";
import { callsWhenLoaded } from "../../../support/module-level.ts";
import { readFiles } from "../../../support/repository.ts";
import { importsOf, type SourceFile } from "../../../support/source-text.ts";

const SESSION_CALLS = new Set([
  "createSession",
  "createSessionWithId",
  "getSessionById",
  "getSessionFromRequest",
]);
const LANGUAGES = new Set(["ts", "js", "typescript", "javascript"]);

/** A module that is a whole file, or a block of a page or of a comment. */
type Module = SourceFile;

function blocksIn(page: SourceFile): Module[] {
  return blocksOf(page)
    .filter(({ language }) => LANGUAGES.has(language))
    .map(({ place, code }) => ({ path: place, text: code }));
}

/** The comments of a source as a page; lines keep their places. */
function docOf({ path, text }: SourceFile): SourceFile {
  const lines = text.split("\n").map((line) => /^\s*\*(?!\/) ?(?<words>.*)$/.exec(line)?.groups);
  return { path, text: lines.map((groups) => groups?.["words"] ?? "").join("\n") };
}

/** The sessions that modules which use a vcr make when they are loaded. */
function sessionsOf(modules: readonly Module[]): string[] {
  return modules
    .filter((each) => importsOf(each).some(({ specifier }) => /\bvcr\b/.test(specifier)))
    .flatMap(({ path, text }) => callsWhenLoaded(text).map((name) => ({ path, name })))
    .filter(({ name }) => SESSION_CALLS.has(name))
    .map(({ path, name }) => `${path}: ${name}`);
}

const pages = readFiles(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs"], [".md"]);
const sources = readFiles(["src", "bench"], [".ts"]);
const modules = [...pages, ...sources.map(docOf)].flatMap(blocksIn).concat(sources);

it("is looked for on the page of the dialect, and in the sources", () => {
  const using = modules.filter(({ text }) => text.includes("/vcr"));
  expect(using.map(({ path }) => path.replace(/:\d+$/, ""))).toEqual(
    expect.arrayContaining(["docs/vcr.md", "bench/dialects/vcr.ts"]),
  );
});

it("is made by no page and no source when it is loaded", () => {
  expect(sessionsOf(modules)).toEqual([]);
});

const HEAD = 'import { vcr } from "holdfast/vcr";';

it.each([
  ["a statement", "const session: unknown = vcr.createSession();"],
  ["an argument", 'new State(vcr.createSessionWithId("s"));'],
  ["a branch", 'if (open) { state = new State(vcr.getSessionById("s")); }'],
  ["an object", "export const sessions = { one: vcr.createSession(60) };"],
  ["a function that is called at once", "await (async () => { vcr.createSession(); })();"],
  ["a static field", "class A { static session = vcr.createSession(); }"],
])("is found in %s of a module", (_, code) => {
  expect(sessionsOf([{ path: "a.ts", text: `${HEAD}\n${code}\n` }])).toHaveLength(1);
});

it.each([
  ["a function", "function on(id: string) { return vcr.getSessionById(id); }"],
  ["a callback", "app.post('/', async (req) => new State(vcr.getSessionFromRequest(req)));"],
  ["a method", "class A { session() { return vcr.createSession(); } }"],
  ["a field of instances", "class A { session = vcr.createSession(); }"],
])("may be made in %s", (_, code) => {
  expect(sessionsOf([{ path: "a.ts", text: `${HEAD}\n${code}\n` }])).toEqual([]);
});

it("is found in an example of a comment", () => {
  const lines = [
    "/**",
    " * Use:",
    " * ```ts",
    ` * ${HEAD}`,
    " * vcr.createSession();",
    " * ```",
    " */",
  ];
  const source = { path: "src/a.ts", text: lines.join("\n") };
  expect(sessionsOf(blocksIn(docOf(source)))).toEqual(["src/a.ts:4: createSession"]);
});

it("has its error codes on the page", () => {
  const [source, page] = ["src/dialects/vcr/error.ts", "docs/vcr.md"].map(
    (path) => readFiles([path], [""])[0]?.text ?? "",
  );
  const union = /type VcrStateErrorCode =(?<codes>[^;]*);/.exec(source ?? "")?.groups?.["codes"];
  const codes = union?.match(/(?<=")\w+(?=")/g) ?? [];
  expect(codes).toContain("BAD_SESSION");
  expect(codes.filter((code) => !page?.includes(`\`${code}\``))).toEqual([]);
});
