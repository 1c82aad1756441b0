/** The tables of `docs/comparison.md` are what `npm run bench -- contention --keep` kept. */
import { describe, expect, it } from "vitest";
import { readFiles } from "../support/repository.ts";

/** The part of a kept result that the page shows. */
interface Kept {
  readonly sections: readonly {
    readonly title: string;
    readonly timings: readonly {
      readonly name: string;
      readonly extra: Readonly<Record<"ok" | "failed" | "lost" | "p50", number | string>>;
    }[];
  }[];
}

const [page] = readFiles(["docs/comparison.md"], [""]);
const kept = readFiles(["bench/results"], [".json"]).map(
  // Written by the bench, and committed.
  ({ text }) => JSON.parse(text) as Kept,
);

/** The rows of a section of the page: the contender, and the figures after it. */
function rowsOf(text: string): string[] {
  return [...text.matchAll(/^\| (?![-|])(?<row>\S.*) \|$/gm)].map(
    ({ groups }) => groups?.["row"] ?? "",
  );
}

/** The same rows from a kept result. */
function keptRows(store: string): string[] {
  const title = `D1: 1,000 concurrent +1 on one stored counter, ${store}`;
  const section = kept.flatMap(({ sections }) => sections).find((each) => each.title === title);
  return (section?.timings ?? []).map(({ name, extra: { ok, failed, lost, p50 } }) =>
    [name, Number(ok) - Number(lost), failed, lost, p50].join(" | "),
  );
}

describe("the comparison", () => {
  const tables = (page?.text ?? "").split(/^### /m).slice(1);

  it.each(tables.map((text) => [text.slice(0, text.indexOf("\n")), text] as const))(
    "has the kept figures of %s",
    (store, text) => {
      expect(keptRows(store)).not.toEqual([]);
      expect(rowsOf(text)).toEqual(keptRows(store));
    },
  );

  it("has the stores that the bench compares", () => {
    expect(tables).toHaveLength(5);
  });
});
