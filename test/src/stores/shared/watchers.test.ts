import { expect, it } from "vitest";
import { Watchers } from "../../../../src/stores/shared/watchers.ts";
import { keepingLogger } from "../../../support/waiting.ts";

function setUp() {
  const logger = keepingLogger();
  const seen: string[] = [];
  const watchers = new Watchers({ store: "own", logger, end: () => void seen.push("end") });
  const add = (name: string, begun: () => Promise<void> = async () => undefined) =>
    watchers.add(
      {
        changed: (key, version) => void seen.push(`${name} ${key} ${version}`),
        missed: () => void seen.push(`${name} missed`),
      },
      begun,
    );
  return { add, logger, seen, watchers };
}

it("the last watcher that is removed ends the watch, once", async () => {
  const { add, seen, watchers } = setUp();
  const removeA = await add("a");
  const removeB = await add("b");
  watchers.changed("k", 1);
  await removeA();
  watchers.missed();
  await removeB();
  await removeB();
  watchers.changed("k", 2);
  expect(seen).toEqual(["a k 1", "b k 1", "b missed", "end"]);
});

it("a watcher whose begin fails is removed, and others stay", async () => {
  const { add, seen, watchers } = setUp();
  await add("a");
  await expect(add("b", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  watchers.changed("k", 1);
  expect(seen).toEqual(["a k 1"]);
});

it("what a watcher throws is logged by its name, and the next one is notified", async () => {
  const { add, logger, seen, watchers } = setUp();
  const changed = (): void => {
    throw new RangeError("private");
  };
  await watchers.add({ changed, missed: undefined }, async () => undefined);
  await add("b");
  watchers.changed("k", 1);
  watchers.missed();
  expect(seen).toEqual(["b k 1", "b missed"]);
  const message = "a watcher of the own store threw";
  expect(logger.lines).toEqual([{ message, fields: { error: "RangeError" } }]);
});

it("close removes all, and none is notified after it", async () => {
  const { add, seen, watchers } = setUp();
  await add("a");
  watchers.close();
  watchers.changed("k", 1);
  expect(seen).toEqual(["end"]);
});
