import { expect, it } from "vitest";
import { isWalSound, walWarning } from "../../../../src/stores/sqlite/build.ts";

it.each([
  "3.6.23",
  "3.44.6",
  "3.44.7",
  "3.50.7",
  "3.50.12",
  "3.51.3",
  "3.52.0",
  "3.100.0",
  "4.0.0",
])("SQLite %s keeps a file soundly in WAL mode", (version) => {
  expect(isWalSound(version)).toBe(true);
});

it.each(["3.7.0", "3.40.1", "3.44.5", "3.45.1", "3.47.2", "3.49.9", "3.50.6", "3.51.2"])(
  "SQLite %s does not",
  (version) => {
    expect(isWalSound(version)).toBe(false);
  },
);

it("a version that cannot be read counts as one that does not", () => {
  expect(["undefined", ""].map(isWalSound)).toEqual([false, false]);
});

it("the warning names the file, the version and what to do", () => {
  const text = walWarning("/data/bot.db", "3.45.1");
  for (const part of ["/data/bot.db", "3.45.1", "Node 22.22.3", 'processes: "one"', "https://"])
    expect(text).toContain(part);
});
