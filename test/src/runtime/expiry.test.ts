/** What is given of a state whose time is over besides the scope itself. */
import { expect, it, onTestFinished } from "vitest";
import { FEED_BUFFER_MAX } from "../../../actors/scope/change-stream.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { keepingLogger, steer, until, type Counter } from "../../suites/runtime-world.ts";
import { watchedStores } from "../../support/watched-store.ts";

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

it.each(["who holds the scope", "who holds nothing"])(
  "a reader who is behind gets no marker of what is over: %s",
  async (who) => {
    const { runtimeOn, sleep } = setUp();
    const writer = await runtimeOn().open<Counter>("mortal", "m");
    const here = runtimeOn();
    const scope = who === "who holds the scope" ? await here.open("mortal", "m") : undefined;
    let heard = 0;
    here.subscribe(() => (heard += 1));
    const reader = here.changes()[Symbol.asyncIterator]();
    for (let n = 1; n <= FEED_BUFFER_MAX + 5; n += 1) {
      await writer.setState({ n });
      await until(() => heard >= n);
    }
    const behind = await reader.next();
    expect(behind.value).toMatchObject({ type: "snapshot", version: heard, state: { n: heard } });
    for (let n = 1; n <= FEED_BUFFER_MAX + 5; n += 1) {
      const before = heard;
      await writer.setState({ n });
      await until(() => heard > before);
    }
    sleep();
    expect((await reader.next()).value).toMatchObject({ type: "snapshot", state: {} });
    expect(scope?.state ?? {}).toEqual({});
  },
);
