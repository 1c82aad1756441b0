/** The bar of long work. */
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { counted, startProgress } from "../../../src/cli/progress.ts";
import { collect } from "../../support/collect.ts";

async function* groups(): AsyncGenerator<readonly number[]> {
  yield [1, 2, 3];
  yield [4];
}

it("is drawn on a terminal, with the count and the size of the work, and removed", async () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const progress = await startProgress("copy", terminal, () => Promise.resolve(4));
  expect(await collect(counted(groups(), progress))).toEqual([[1, 2, 3], [4]]);
  progress.end();
  terminal.end();
  const text = (await terminal.toArray()).join("");
  expect(text).toContain("copy [");
  expect(text).toContain("0/4");
});

it("is not drawn elsewhere, and nothing is counted for it", async () => {
  const other = new PassThrough();
  const count = (): Promise<number> => Promise.reject(new Error("counted"));
  for (const terminal of [other, undefined]) {
    const progress = await startProgress("copy", terminal, count);
    expect(await collect(counted(groups(), progress))).toHaveLength(2);
    progress.end();
  }
  other.end();
  expect(await other.toArray()).toEqual([]);
});
