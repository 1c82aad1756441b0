import { describe, expect, it } from "vitest";
import { defineKind, type Kind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { keepingLogger, until } from "../../support/waiting.ts";

interface Lease {
  until?: number;
  note?: string;
}

/** Lives until `until`; is no record without it. */
const livesUntil = (state: object): number => (state as Lease).until ?? 0;
const lease: Kind = defineKind({ livesUntil });

function setUp() {
  const clock = simulatedClock(1_000);
  const store = memoryStore({ clock });
  const open = () => {
    const runtime = createRuntime({ store: { ...bind(store), close: async () => {} }, clock });
    runtime.declare("lease", lease);
    return runtime;
  };
  return { clock, store, open };
}

/** The store with its methods bound, so that it can be spread. */
function bind(store: ReturnType<typeof memoryStore>) {
  return {
    name: store.name,
    supports: store.supports,
    load: store.load.bind(store),
    commit: store.commit.bind(store),
    list: store.list.bind(store),
  };
}

describe("Runtime.declare", () => {
  it("adds a kind once and refuses another declaration of it", async () => {
    await using runtime = createRuntime();
    await expect(runtime.open("lease", "a")).rejects.toThrow(/unknown scope type "lease"/);
    runtime.declare("lease", lease);
    runtime.declare("lease", lease);
    expect(() => runtime.declare("lease", defineKind({ livesUntil }))).toThrow(TypeError);
    expect(() => runtime.declare("session", lease)).toThrow(TypeError);
    await expect(runtime.open("lease", "a")).resolves.toBeDefined();
  });

  it("keeps the kinds the runtime was made with", async () => {
    await using runtime = createRuntime({ kinds: { lease } });
    expect(() => runtime.declare("lease", lease)).not.toThrow();
  });
});

describe("a kind with livesUntil", () => {
  it("ends a scope at the time its state says, later or earlier than it said before", async () => {
    const { clock, open } = setUp();
    await using runtime = open();
    const scope = await runtime.open<Lease>("lease", "a");
    await scope.patchState({ until: 11_000 });
    await scope.patchState({ until: 61_000 });
    await scope.patchState({ until: 3_000 });
    await clock.advance(1_500);
    expect(scope.state).toEqual({ until: 3_000 });
    await clock.advance(1_000);
    expect(scope.state).toEqual({});
    expect((await runtime.list({ type: "lease" })).ids).toEqual([]);
  });

  it("lets a scope live on that was prolonged while its end was waited for", async () => {
    const { clock, open } = setUp();
    await using runtime = open();
    const scope = await runtime.open<Lease>("lease", "a");
    await scope.patchState({ until: 3_000 });
    await scope.patchState({ until: Infinity });
    await clock.advance(60_000);
    expect(scope.state).toEqual({ until: Infinity });
  });

  it("deletes the record of a state that is none", async () => {
    const { open, store } = setUp();
    await using runtime = open();
    const scope = await runtime.open<Lease>("lease", "a");
    await scope.setState({ until: Infinity, note: "x" });
    expect((await runtime.list({ type: "lease" })).ids).toEqual(["a"]);
    await scope.setState({});
    expect((await runtime.list({ type: "lease" })).ids).toEqual([]);
    const [record] = await store.load(["holdfast/lease/a"]);
    expect(record).toEqual({ version: 2, state: undefined });
    await scope.setState({ until: Infinity, note: "y" });
    const [again] = await store.load(["holdfast/lease/a"]);
    expect(again?.version).toBe(3);
  });

  it("keeps the time through a restart", async () => {
    const { clock, open } = setUp();
    const first = open();
    await (await first.open<Lease>("lease", "a")).patchState({ until: 5_000 });
    await first.close();
    await using second = open();
    const scope = await second.open<Lease>("lease", "a");
    expect(scope.state.until).toBe(5_000);
    await clock.advance(3_900);
    expect(scope.version).toBe(1);
    await clock.advance(300);
    expect(scope.state).toEqual({});
  });

  it("tells who observes the kind each confirmed state in the turn of its change", async () => {
    const seen: unknown[] = [];
    const observe = (id: string, state: object): void => void seen.push([id, { ...state }]);
    const kinds = { watched: defineKind({ observe }) };
    await using runtime = createRuntime({ kinds });
    const scope = await runtime.open<{ n: number }>("watched", "a");
    await scope.patchState({ n: 1 });
    await scope.patchState({ n: 1 });
    await scope.delete();
    expect(seen).toEqual([
      ["a", { n: 1 }],
      ["a", {}],
    ]);
  });

  const failing: [string, () => unknown][] = [
    ["throws", () => expect.fail("observe")],
    ["rejects", () => Promise.reject(new Error("observe"))],
  ];
  it.each(failing)("logs what observe of a kind %s, and the change is made", async (_, observe) => {
    const logger = keepingLogger();
    const kinds = { watched: defineKind({ observe }) };
    await using runtime = createRuntime({ kinds, logger });
    const scope = await runtime.open<{ n: number }>("watched", "a");
    expect(await scope.patchState({ n: 1 })).toBe(true);
    await until(() => logger.messages.length > 0);
    expect(logger.messages).toEqual(["observe of a kind threw"]);
    expect(scope.version).toBe(1);
  });
});
