/** The pages and the docstrings name everything that users may import or set. */
import { describe, expect, it } from "vitest";
import { exportsOf, membersOf, namesInCode } from "../support/api-text.ts";
import { anchorsOf } from "../support/doc-links.ts";
import { readEntryPoints } from "../support/entry-points.ts";
import { readFiles } from "../support/repository.ts";
import type { SourceFile } from "../support/source-text.ts";

const sources = readFiles(["actors", "src"], [".ts"]);
const pages = readFiles(["README.md", "docs"], [".md"]);
const entries = readEntryPoints();

function page(path: string): SourceFile {
  return pages.find((each) => each.path === path) ?? { path, text: "" };
}

/** The codes in the list of the kernel. */
function codesOf(text: string): string[] {
  const list =
    /^(?:export )?const (?:ERROR_)?CODES = \[(?<codes>[^\]]*)\]/m.exec(text)?.groups?.["codes"] ??
    "";
  return [...list.matchAll(/"(?<code>\w+)"/g)].map(({ groups }) => groups?.["code"] ?? "");
}

/** Interfaces of options behind an entry point, and the names of their members. */
function optionsOf(source: string): (readonly [type: string, options: readonly string[]])[] {
  const types = exportsOf(source, sources).filter(({ name }) => name.endsWith("Options"));
  return types.map(({ name, path }) => {
    const own = sources.filter((file) => file.path === path && isInterface(file, name));
    return [name, own.length === 0 ? [] : membersOf(name, [...own, ...sources])];
  });
}

/** A type that only picks from another one has no options of its own. */
function isInterface({ text }: SourceFile, name: string): boolean {
  return new RegExp(String.raw`\bexport interface ${name}\b`).test(text);
}

describe("every export", () => {
  it.each(entries)("of $specifier has a docstring", ({ source }) => {
    const found = exportsOf(source, sources);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ isDocumented }) => !isDocumented)).toEqual([]);
  });
});

describe("every option", () => {
  it.each(entries)("of $specifier is named on a page", ({ specifier, source }) => {
    const own = page(`docs/${specifier.replace("holdfast/", "")}.md`);
    const read = own.text === "" ? pages : [own, ...pages.filter(({ path }) => isGeneral(path))];
    const known = new Set(read.flatMap(namesInCode));
    const missing = optionsOf(source).flatMap(([type, options]) =>
      options.filter((name) => !known.has(name)).map((name) => `${type}.${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("is found where there are options", () => {
    const kind = new Map(optionsOf("src/index.ts")).get("KindOptions");
    expect(kind).toEqual(expect.arrayContaining(["schema", "ttlMs", "answers"]));
    expect(new Map(optionsOf("src/index.ts")).get("RuntimeOptions")).toContain("mailboxLimit");
  });
});

/** The pages about options that several entry points share. */
function isGeneral(path: string): boolean {
  return ["docs/scopes.md", "docs/concurrency.md", "docs/stores.md"].includes(path);
}

describe("the error catalogue", () => {
  const codes = codesOf(
    sources.find(({ path }) => path === "actors/holdfast-error.ts")?.text ?? "",
  );
  const headings = anchorsOf(page("docs/errors.md")).slice(1);

  it("has a heading for each code, and for nothing else", () => {
    expect(codes).toContain("COMMIT_UNKNOWN");
    expect(headings.toSorted()).toEqual(codes.map((code) => code.toLowerCase()).toSorted());
  });

  it("names each code in the table of consequences", () => {
    const table =
      page("docs/errors.md")
        .text.match(/^\|.*\|$/gm)
        ?.join("\n") ?? "";
    expect(codes.filter((code) => !table.includes(`\`${code}\``))).toEqual([]);
  });
});

describe("the reader of the sources", () => {
  const files = [
    { path: "src/a.ts", text: '/** A page. */\nexport { b, type C } from "./b.ts";\n' },
    {
      path: "src/b.ts",
      text: [
        'import { D } from "./d.ts";',
        "/** Gives b. */",
        "export function b(): void {}",
        "export interface C extends Base, Omit<D, 'x'> {",
        "  readonly one?: number;",
        "  two(): void;",
        "}",
        "export interface Base {",
        "  readonly three: number;",
        "}",
      ].join("\n"),
    },
  ];

  it("follows what an entry point passes on", () => {
    expect(exportsOf("src/a.ts", files)).toEqual([
      { name: "b", path: "src/b.ts", isDocumented: true },
      { name: "C", path: "src/b.ts", isDocumented: false },
    ]);
  });

  it("finds the members of an interface", () => {
    expect(membersOf("C", files)).toEqual(["one", "three"]);
  });

  it("finds names in code alone", () => {
    const text = "one `two.three` four\n\n```ts\nfive();\n```\n";
    expect(namesInCode({ path: "a.md", text })).toEqual(["two", "three", "ts", "five"]);
  });
});
