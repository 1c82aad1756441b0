/** No link leads nowhere: in the repository, in the package, and in the list of pages. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { anchorsOf, deadLinks, linksOf, slugOf } from "../support/doc-links.ts";
import { rootUrl } from "../support/entry-points.ts";
import { sectionsOf } from "../support/page-list.ts";
import { readFiles } from "../support/repository.ts";

const pages = readFiles(["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs"], [".md"]);
const inside = readFiles(["CONTRIBUTING.md", "bench"], [".md"]);
const list = readFiles(["docs/llms.txt"], [""])
  .map(({ text }) => text)
  .join("");

/** Paths that git knows, also those not committed yet, and those in the packed package. */
function filesBy(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { cwd: fileURLToPath(rootUrl), encoding: "utf8" });
}

describe("links", () => {
  it("lead to files and headings of the repository", () => {
    const paths = filesBy("git", "ls-files", "--cached", "--others", "--exclude-standard");
    expect(deadLinks([...pages, ...inside], paths.split("\n"))).toEqual([]);
  });

  it("of what is published lead to what is published", () => {
    // npm made it: a list with one package and its files.
    const [{ files }] = JSON.parse(
      filesBy("npm", "pack", "--dry-run", "--json", "--ignore-scripts"),
    ) as [{ readonly files: readonly { readonly path: string }[] }];
    expect(
      deadLinks(
        pages,
        files.map(({ path }) => path),
      ),
    ).toEqual([]);
  }, 120_000);
});

describe("the list of pages", () => {
  const listed = sectionsOf(list).flatMap(({ links }) => links);

  it("has every page once", () => {
    const names = readFiles(["docs"], [".md"]).map(({ path }) => path.replace("docs/", ""));
    expect(listed.map(({ page }) => page).toSorted()).toEqual(names);
  });

  it("has a line about each", () => {
    expect(list.match(/^- /gm)).toHaveLength(listed.length);
    expect(listed.filter(({ about }) => about.length > 120)).toEqual([]);
  });
});

describe("the reader of links", () => {
  const text = [
    "# One `two`, three",
    "## Same",
    "## Same",
    "[a](b.md#x) and `[no](no.md)` and [c](#same-1) and [d](https://example.org/e)",
    "```md",
    "[no](no.md)",
    "# no",
    "```",
  ].join("\n");
  const page = { path: "docs/a.md", text };

  it("finds headings as GitHub names them", () => {
    expect(anchorsOf(page)).toEqual(["one-two-three", "same", "same-1"]);
    expect(slugOf("COMMIT_UNKNOWN: [why](b.md)?")).toBe("commit_unknown-why");
  });

  it("finds links outside of code", () => {
    expect(linksOf(page).map(({ place, path, anchor }) => [place, path, anchor])).toEqual([
      ["docs/a.md:4", "docs/b.md", "x"],
      ["docs/a.md:4", "docs/a.md", "same-1"],
      ["docs/a.md:4", undefined, ""],
    ]);
  });

  it("reports a missing file and a missing heading", () => {
    const other = { path: "docs/b.md", text: "# X\n" };
    expect(deadLinks([page], ["docs/a.md"])).toEqual(["docs/a.md:4: b.md#x leads to no file"]);
    expect(deadLinks([page, other], ["docs/a.md", "docs/b.md"])).toEqual([]);
    expect(deadLinks([page, { ...other, text: "# Y\n" }], ["docs/a.md", "docs/b.md"])).toEqual([
      "docs/a.md:4: b.md#x leads to no heading",
    ]);
  });
});
