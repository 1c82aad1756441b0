/** Erasing on stores that cannot erase, and what a bridge takes for damage. */
import { expect, it, onTestFinished } from "vitest";
import { LastSeen } from "../../../src/runtime/persistence/last-seen.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { encodeKey } from "../../../src/runtime/scope-key.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import type { Counter } from "../../suites/runtime-world.ts";

it("a store without erase gets a delete whose tombstone is over at once", async () => {
  const inner = memoryStore();
  const kept: (number | undefined)[] = [];
  const store: StateStore = {
    name: "plain",
    supports: inner.supports,
    load: (keys) => inner.load(keys),
    commit: (writes, options) => {
      for (const { state, tombstoneMs } of writes) if (state === undefined) kept.push(tombstoneMs);
      return inner.commit(writes, options);
    },
    list: (query) => inner.list(query),
    close: () => inner.close(),
  };
  const runtime = createRuntime({ store });
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<Counter>("user", "a");
  await scope.setState({ n: 1 });
  expect(await runtime.erase({ type: "user", id: "a" })).toBe(true);
  expect([scope.state, kept]).toEqual([{}, [0]]);
  expect(await runtime.erase({ type: "user", id: "a" })).toBe(false);
  expect((await store.load([encodeKey("holdfast", "user", "a")]))[0]?.state).toBe(undefined);
  expect(await scope.incState({ n: 2 })).toBe(true);
  expect((await scope.read()).n).toBe(2);
});

it("runtimes on one store object notice an erasure, whatever they hold", async () => {
  const store = memoryStore();
  const [one, other] = [createRuntime({ store }), createRuntime({ store })];
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined));
  const scope = await other.open<Counter>("user", "a");
  for (let n = 1; n < 4; n += 1) await scope.setState({ n });
  await one.erase({ type: "user", id: "a" });
  expect(await scope.read()).toEqual({});
  expect(scope.version).toBe(0);
});

it("nothing is damage when it can have been deleted unheard, or was reported as erased", () => {
  const clock = simulatedClock(0);
  const seen = new LastSeen(clock);
  expect(seen.isDamage(0)).toBe(false);
  seen.saw(5, 1_000);
  expect([0, 4, 5, 6].map((version) => seen.isDamage(version))).toEqual([true, true, false, false]);
  clock.setTime(1_000);
  expect(seen.isDamage(0)).toBe(false);
  seen.saw(5, 1_000);
  expect(seen.reported(4)).toBe(false);
  expect(seen.isDamage(0)).toBe(true);
  expect(seen.reported(6)).toBe(true);
  expect([seen.isDamage(4), seen.isDamage(0), seen.isDamage(0)]).toEqual([true, false, false]);
  seen.saw(5, 1_000);
  expect(seen.isDamage(0)).toBe(true); // An erasure counts once.
  for (const version of [6, 1]) seen.reported(version);
  expect(seen.isDamage(1)).toBe(false);
});
