/** The bench of answers sees a way that does not look at the store, and one that does. */
import { describe, expect, it } from "vitest";
import {
  asking,
  bareRead,
  local,
  storeCheck,
  verified,
  type Way,
} from "../../bench/answers/asking.ts";

/** Whether a way is found to be right, after it has worked. */
async function isRight(way: Way, records: number): Promise<boolean> {
  const trial = await asking(way, { store: "sqlite", records, turns: 2 }).prepare();
  await trial.run();
  return trial.check();
}

describe("a way to find out that nothing changed", () => {
  it.each([bareRead, storeCheck, verified, local])("is right: $name", async (way) => {
    expect(await isRight(way, 1)).toBe(true);
    expect(await isRight(way, 3)).toBe(true);
  });

  it("is wrong when it does not notice what another runtime wrote", async () => {
    expect(await isRight({ ...local, looks: true }, 3)).toBe(false);
  });

  it("is wrong when it says of itself that it answers from memory and does not", async () => {
    expect(await isRight({ ...verified, looks: false }, 1)).toBe(false);
  });

  it("is wrong when it answers that something changed and nothing did", async () => {
    const liar: Way = { name: "liar", looks: true, begin: async () => ({ one: async () => true }) };
    expect(await isRight(liar, 1)).toBe(false);
  });
});
