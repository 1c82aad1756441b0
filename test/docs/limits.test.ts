/** `docs/limits.md` has the figures of the source. */
import { describe, expect, it } from "vitest";
import { readFiles } from "../support/repository.ts";
import type { SourceFile } from "../support/source-text.ts";

const sources = readFiles(["actors", "src"], [".ts"]);
const page = readFiles(["docs/limits.md"], [""])
  .map(({ text }) => text)
  .join("");

/** The rows whose first column is the name of a constant: name and figure. */
function limitsOf(text: string): (readonly [name: string, value: number])[] {
  return [...text.matchAll(/^\| `(?<name>[A-Z_]+)` \| (?<value>[\d,]+) \|/gm)].map(({ groups }) => [
    groups?.["name"] ?? "",
    Number(groups?.["value"]?.replaceAll(",", "")),
  ]);
}

/** The values of all constants of a name; a power is `2 ** n`, with `- 1` perhaps. */
function valuesOf(name: string, files: readonly SourceFile[]): number[] {
  const constant = new RegExp(
    String.raw`\bconst ${name}(?:: number)? = (?:2 \*\* )?(?<number>[\d_]+)(?<less> - 1)?;`,
    "g",
  );
  return files.flatMap(({ text }) =>
    [...text.matchAll(constant)].map(({ 0: whole, groups }) => {
      const number = Number(groups?.["number"]?.replaceAll("_", ""));
      const value = whole.includes("**") ? 2 ** number : number;
      return groups?.["less"] === undefined ? value : value - 1;
    }),
  );
}

describe("the page of limits", () => {
  it("has limits", () => {
    expect(limitsOf(page).length).toBeGreaterThan(20);
  });

  it.each(limitsOf(page))("says what %s is", (name, value) => {
    expect(valuesOf(name, sources)).toContain(value);
  });

  it("is compared with values as they are written", () => {
    const text = "const A = 1_000;\nexport const B: number = 2 ** 31 - 1;\nconst A = 2;\n";
    expect(valuesOf("A", [{ path: "a.ts", text }])).toEqual([1_000, 2]);
    expect(valuesOf("B", [{ path: "a.ts", text }])).toEqual([2_147_483_647]);
    expect(limitsOf("| `A` | 1,000 | things |\n| `option` | 3 | no |\n")).toEqual([["A", 1_000]]);
  });
});
