/** What is given of a state whose time is over besides the scope itself. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FEED_BUFFER_MAX } from "../../../actors/scope/change-stream.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { steer, type Counter } from "../../suites/runtime-world.ts";
import { watchedStores } from "../../support/watched-store.ts";
import { keepingLogger } from "../../support/waiting.ts";

const TTL_MS = 10_000;

function setUp() {
  const clock = simulatedClock(1_000_000);
  const line = watchedStores(memoryStore({ clock }));
  const kinds = { mortal: defineKind({ ttlMs: TTL_MS }) };
  const runtimeOn = (store = line.open()) => {
    const runtime = createRuntime({ store, clock, kinds, logger: keepingLogger() });
    onTestFinished(() => runtime.close().catch(() => undefined));
    return runtime;
  };
  const sleep = (): void => clock.setTime(clock.now() + TTL_MS * 2);
  return { line, runtimeOn, sleep };
}

it("a refresh reads, though the store refuses to end the state", async () => {
  const { line, runtimeOn, sleep } = setUp();
  const store = steer(line.open());
  const scope = await runtimeOn(store).open<Counter>("mortal", "m");
  await scope.setState({ n: 5 });
  store.before = (operation) => {
    if (operation === "commit") throw new StoreUnavailableError("read only");
  };
  sleep();
  await scope.refresh();
  expect(scope.state).toEqual({});
});

it("a reader who is behind gets no marker of what is over", async () => {
  const { runtimeOn, sleep } = setUp();
  const scope = await runtimeOn().open<Counter>("mortal", "m");
  const reader = scope.changes()[Symbol.asyncIterator]();
  const fallBehind = async (): Promise<void> => {
    for (let n = 1; n <= FEED_BUFFER_MAX + 5; n += 1) await scope.incState({ n: 1 });
  };
  await fallBehind();
  const n = FEED_BUFFER_MAX + 5;
  expect((await reader.next()).value).toMatchObject({ type: "snapshot", version: n, state: { n } });
  await fallBehind();
  sleep();
  expect((await reader.next()).value).toMatchObject({ type: "snapshot", state: {} });
});

it.each([
  ["without an end", {}],
  ["with a time to live", { ttlMs: TTL_MS }],
])("L4: a burst on a large list copies it once, also in a volatile kind %s", async (_, options) => {
  const kinds = { live: defineKind({ durability: "volatile", ...options }) };
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<{ list: number[] }>("live", "a");
  await scope.setState({ list: Array.from({ length: 5_000 }, (_none, at) => at) });
  // What is looked at is frozen, and what is frozen is copied by the next push.
  const freeze = vi.spyOn(Object, "freeze");
  for (let n = 0; n < 50; n += 1) await scope.pushState("list", n);
  const frozen = freeze.mock.calls.filter(([node]) => Array.isArray(node) && node.length > 100);
  freeze.mockRestore();
  expect(frozen).toEqual([]);
  expect(scope.state.list).toHaveLength(5_050);
});

describe.each(["commit", "checkpoint", "volatile"] as const)(
  "livesUntil of a %s kind",
  (durability) => {
    it.each<readonly [string, (state: object) => number]>([
      [
        "that throws",
        () => {
          throw new Error("no end");
        },
      ],
      ["that gives no number", () => Number.NaN],
    ])("%s: the state never expires, and the fault is logged", async (_, livesUntil) => {
      const clock = simulatedClock();
      const logger = keepingLogger();
      const kinds = { odd: defineKind({ durability, livesUntil }) };
      const runtime = createRuntime({ clock, kinds, logger });
      const scope = await runtime.open<Counter>("odd", "m");
      expect(await Promise.all([scope.setState({ n: 1 }), scope.incState({ n: 1 })])).toEqual([
        true,
        true,
      ]);
      await clock.advance(TTL_MS);
      expect(await scope.incState({ n: 1 })).toBe(true);
      expect(scope.state).toEqual({ n: 3 });
      await runtime.close();
      expect(logger.messages.some((message) => message.startsWith("livesUntil"))).toBe(true);
    });
  },
);
