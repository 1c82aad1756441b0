/** The rules of timers by a clock that the test turns: cron, arguments, the time of day, ends. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { defineKind, type Kind, type KindOptions } from "../../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import type { RuntimeOptions } from "../../../../src/runtime/options.ts";
import type { Scope } from "../../../../src/runtime/scope.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { type SimulatedClock, simulatedClock } from "../../../../src/testing/clock.ts";
import { collect } from "../../../support/collect.ts";
import { testDirectory } from "../../../support/directory.ts";
import { gate, rejection, settled, turned, until } from "../../../support/waiting.ts";
import { type Counter, World } from "../../../suites/runtime-world.ts";

const HOUR_MS = 3_600_000;
/** The day before clocks in Berlin are set to summer time. */
const START = Date.UTC(2026, 2, 28, 12);
const LATER = { afterMs: HOUR_MS };

const memory = {
  name: "memory",
  open: (_id: string, clock: World["clock"]) => memoryStore(clock === undefined ? {} : { clock }),
};

function setUp(options: KindOptions<Counter> = {}) {
  const clock = simulatedClock(START);
  const world = new World(memory, clock);
  const fired: string[] = [];
  const kind: Kind<Counter, "remind"> = defineKind<Counter, "remind">({
    ...options,
    timers: { remind: (_scope, { key, at }) => void fired.push(`${key} ${at.toISOString()}`) },
  });
  const runtimeOf = (more: RuntimeOptions = {}): Runtime =>
    world.runtime({ kinds: { timed: kind, plain: defineKind() }, ...more });
  const open = (runtime: Runtime = runtimeOf(), id = "x"): Promise<Scope<Counter>> =>
    runtime.open("timed", id);
  return { clock, fired, open, runtimeOf, world };
}

/** Lets `ms` pass in steps, and what fires end. */
async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  for (let step = 0; step < 10; step += 1) {
    await clock.advance(ms / 10);
    await settled();
  }
}

describe("a cron timer", () => {
  it("that missed several times fires once, and goes on at its next time", async () => {
    const { clock, fired, open, runtimeOf } = setUp();
    const before = runtimeOf();
    await (await open(before)).schedule("remind", { cron: "0 * * * *" }, 0, { key: "hourly" });
    await before.close();
    clock.setTime(START + 5.5 * HOUR_MS);
    const scope = await open();
    await pass(clock, 5_000);
    expect(fired).toEqual(["hourly 2026-03-28T13:00:00.000Z"]);
    const next = new Date(Date.UTC(2026, 2, 28, 18));
    expect(await turned(clock, scope.timers())).toMatchObject([{ key: "hourly", at: next }]);
    await pass(clock, 0.5 * HOUR_MS);
    await pass(clock, 5_000);
    expect(fired.slice(1)).toEqual(["hourly 2026-03-28T18:00:00.000Z"]);
  });

  it.each([
    ["America/New_York", "2026-03-28T13:00:00.000Z"],
    ["Europe/Berlin", "2026-03-29T07:00:00.000Z"],
    ["Asia/Tokyo", "2026-03-29T00:00:00.000Z"],
  ])("fires at nine in %s", async (timeZone, at) => {
    const scope = await setUp().open();
    await scope.schedule("remind", { cron: "0 9 * * *", timeZone });
    expect((await scope.timers()).map((timer) => timer.at.toISOString())).toEqual([at]);
  });

  it.each([
    [TypeError, { cron: "every day" }, 'cron "every day" cannot be read'],
    [TypeError, { cron: "61 * * * *" }, 'cron "61 * * * *" cannot be read'],
    [TypeError, { cron: "0 9 * * *", timeZone: "Moon/Sea" }, 'in "Moon/Sea" cannot be read'],
    [RangeError, { cron: "0 0 30 2 *" }, 'cron "0 0 30 2 *" has no next time'],
  ])("rejects with %o for %o", async (type, when, message) => {
    const scope = await setUp().open();
    for (const call of [
      scope.schedule("remind", when),
      scope.update((draft, { schedule }) => {
        draft.n = 1;
        schedule("remind", when);
      }),
    ]) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(type);
      expect(error.message).toContain(message);
    }
    expect(scope.version).toBe(0);
    expect(await scope.timers()).toEqual([]);
  });
});

/** A list in a list, so many levels deep. */
function deep(levels: number): unknown {
  let list: unknown[] = [];
  for (let level = 0; level < levels; level += 1) list = [list];
  return list;
}

const bad: readonly (readonly [string, string, readonly unknown[]])[] = [
  ["TypeError", 'unknown timer "no" of "timed"; declared are: remind', ["no", LATER]],
  ["TypeError", 'unknown timer "toString" of "timed"', ["toString", LATER]],
  ["TypeError", "name of a timer must be a text, received number", [5, LATER]],
  ["TypeError", "name of a timer must be a text, received bigint", [5n, LATER]],
  ["TypeError", "name of a timer must be a text, received array", [deep(10_000), LATER]],
  ["TypeError", "time of a timer", ["remind"]],
  ["TypeError", "exactly one of", ["remind", {}]],
  ["TypeError", "exactly one of", ["remind", { afterMs: 1, at: new Date(START) }]],
  ["TypeError", "after", ["remind", { after: 1 }]],
  ["TypeError", "at must be a Date", ["remind", { at: "2026-03-28" }]],
  ["RangeError", "at is no valid date", ["remind", { at: new Date(Number.NaN) }]],
  ["TypeError", "afterMs must be a number", ["remind", { afterMs: "5" }]],
  ["RangeError", "received -1", ["remind", { afterMs: -1 }]],
  ["RangeError", "received NaN", ["remind", { afterMs: Number.NaN }]],
  ["RangeError", "received Infinity", ["remind", { afterMs: Infinity }]],
  ["RangeError", "valid date", ["remind", { afterMs: 8.64e15 }]],
  ["TypeError", "timeZone belongs to a cron", ["remind", { afterMs: 1, timeZone: "UTC" }]],
  ["TypeError", "cron must be a text", ["remind", { cron: 5 }]],
  ["RangeError", "cron has 1 to 256", ["remind", { cron: "" }]],
  ["RangeError", "received 257", ["remind", { cron: "*".repeat(257) }]],
  ["TypeError", "key of a timer must be a text", ["remind", LATER, 0, { key: 5 }]],
  ["RangeError", "1 to 128 characters", ["remind", LATER, 0, { key: "" }]],
  ["RangeError", "1 to 128 characters", ["remind", LATER, 0, { key: "k".repeat(129) }]],
  ["TypeError", "name", ["remind", LATER, 0, { name: "k" }]],
  ["StateSerializationError", "payload.call", ["remind", LATER, { call: () => 1 }]],
  ["RangeError", "at most 65536 bytes", ["remind", LATER, "x".repeat(70_000)]],
];

it.each(bad)("%s: %s", async (name, message, args) => {
  const { open, world } = setUp();
  const scope = await open();
  // Wrong arguments, as JavaScript lets them pass.
  const direct: unknown = scope.schedule(...(args as Parameters<typeof scope.schedule>));
  const inRecipe = scope.update((draft, context) => {
    draft.n = 1;
    context.schedule(...(args as Parameters<typeof context.schedule>)); // As above.
  });
  for (const call of [Promise.resolve(direct), inRecipe]) {
    const error = await rejection(call);
    expect(error.name).toBe(name);
    expect(error.message).toContain(message);
  }
  expect(await collect(world.store().list())).toEqual([]);
});

it("bad declarations throw, and a scope without timers refuses them", async () => {
  const kindOf = (timers: unknown) => () => Reflect.apply(defineKind, undefined, [{ timers }]);
  expect(kindOf({ a: 5 })).toThrow('the timer "a" must be a function');
  expect(kindOf([])).toThrow("timers must be an object");
  expect(kindOf({ "": () => 1 })).toThrow(RangeError);
  expect(() => createRuntime({ timers: { pollMs: 0 } })).toThrow(RangeError);
  const { runtimeOf } = setUp();
  const plain = await runtimeOf().open("plain", "x");
  for (const call of [plain.schedule("a", LATER), plain.unschedule("a"), plain.timers()])
    expect((await rejection(call)).message).toContain("this scope has no timers");
});

it("a clock that is set back makes a timer wait, and one that is set forward makes it due", async () => {
  const { clock, fired, open } = setUp();
  const scope = await open();
  await scope.schedule("remind", { afterMs: 10_000 }, 0, { key: "a" });
  clock.setTime(START - HOUR_MS);
  await pass(clock, 60_000);
  expect(fired).toEqual([]);
  clock.setTime(START + HOUR_MS);
  await pass(clock, 5_000);
  expect(fired).toEqual(["a 2026-03-28T12:00:10.000Z"]);
  clock.setTime(START);
  await pass(clock, 60_000);
  expect(fired).toHaveLength(1);
});

it("timers end with the time to live of their scope", async () => {
  const { clock, fired, open } = setUp({ ttlMs: 10_000 });
  const scope = await open();
  const set = async (key: string): Promise<void> => {
    await scope.schedule("remind", { afterMs: 5_000 }, 0, { key: `${key} early` });
    await scope.schedule("remind", { afterMs: 20_000 }, 0, { key: `${key} late` });
  };
  await scope.update((draft, { schedule }) => {
    draft.n = 1;
    schedule("remind", { afterMs: 20_000 }, 0, { key: "noted" });
  });
  await set("first");
  await pass(clock, 12_000);
  expect(scope.state).toEqual({});
  expect(await turned(clock, scope.timers())).toEqual([]);
  await scope.patchState({ n: 2 });
  expect(await scope.timers()).toEqual([]);
  await pass(clock, 60_000);
  expect(fired.map((line) => line.replace(/ \d.*/u, ""))).toEqual(["first early"]);
});

it("a scope that leaves memory keeps its timers, and is opened again for them", async () => {
  const { clock, fired, open, runtimeOf } = setUp();
  const runtime = runtimeOf({ passivateAfterMs: 1_000 });
  const scope = await open(runtime);
  await scope.schedule("remind", { afterMs: 30_000 }, 0, { key: "a" });
  await pass(clock, 20_000);
  expect(runtime.residentScopes).toBe(0);
  expect(fired).toEqual([]);
  await pass(clock, 20_000);
  expect(fired).toEqual(["a 2026-03-28T12:00:30.000Z"]);
});

it("timers whose handlers are gone are reported once, and fire when those are back", async () => {
  const { clock, fired, open, runtimeOf, world } = setUp();
  const before = runtimeOf();
  for (const id of ["a", "b"])
    await (await open(before, id)).schedule("remind", { afterMs: 1_000 }, 0, { key: id });
  await before.close();
  const without = world.runtime({ kinds: { timed: defineKind({ timers: {} }) } });
  await pass(clock, 60_000);
  expect(world.logger.messages).toEqual([
    "due timers have no handler in this program; they are kept",
  ]);
  await without.close();
  const scope = await open(runtimeOf(), "a");
  await pass(clock, 5_000);
  expect(fired.toSorted()).toEqual(["a 2026-03-28T12:00:01.000Z", "b 2026-03-28T12:00:01.000Z"]);
  expect(await turned(clock, scope.timers())).toEqual([]);
});

it("timers of a kind that declares none any more are reported once", async () => {
  const { clock, open, runtimeOf, world } = setUp();
  const path = join(testDirectory("timers-gone"), "timers.db");
  const store = () => sqliteStore({ path, clock });
  const before = runtimeOf({ store: store() });
  await (await open(before, "a")).schedule("remind", { afterMs: 90_000 }, 0, { key: "a" });
  await before.close();
  const early = world.runtime({ kinds: { timed: defineKind() }, store: store() });
  await pass(clock, 61_000);
  expect(world.logger.lines).toEqual([]); // They are not due.
  await early.close();
  const late = world.runtime({ kinds: { timed: defineKind() }, store: store() });
  await pass(clock, 61_000);
  await until(() => world.logger.lines.length > 0);
  await pass(clock, 122_000);
  await late.close(); // After what it has asked the store for.
  expect(world.logger.lines).toEqual([
    {
      message: "due timers have no handler in this program; they are kept",
      fields: { type: "timed" },
    },
  ]);
});

describe.each(["volatile", "checkpoint", "commit"] as const)(
  "a delete that waits behind the code that sets a timer, of a %s kind",
  (durability) => {
    it.each([
      ["a transaction without a change", false, true],
      ["a transaction with a change", true, true],
      ["an update without a change", false, false],
      ["an update with a change", true, false],
    ])("ends it, set by %s", async (_, changes, isTransaction) => {
      const { clock, fired, open, runtimeOf } = setUp({ durability });
      const runtime = runtimeOf();
      const scope = await open(runtime);
      const other = await open(runtime, "y");
      await scope.setState({ n: 1 });
      const [entered, go] = [gate(), gate()];
      const change = async (draft: Counter): Promise<void> => {
        entered.open();
        await go.promise;
        if (changes) draft.n = 2;
      };
      const setting = isTransaction
        ? runtime.transact([scope, other] as const, async ([draft], context) => {
            await change(draft);
            context.schedule(scope, "remind", LATER, 0, { key: "k" });
          })
        : scope.update(async (draft, context) => {
            await change(draft);
            context.schedule("remind", LATER, 0, { key: "k" });
          });
      await entered.promise;
      const deleted = scope.delete();
      go.open();
      await setting;
      expect(await deleted).toBe(true);
      await settled();
      expect(await turned(clock, scope.timers())).toEqual([]);
      await pass(clock, 2 * HOUR_MS);
      expect(fired).toEqual([]);
    });
  },
);

it("many timers without a handler do not hide those behind them", async () => {
  const { clock, fired, open, runtimeOf, world } = setUp();
  const both = defineKind({ timers: { gone: () => undefined, remind: () => undefined } });
  const before = world.runtime({ kinds: { timed: both } });
  const ids = Array.from({ length: 1_030 }, (_, id) => `s${id}`);
  await Promise.all(
    ids.map(async (id) => (await before.open("timed", id)).schedule("gone", { afterMs: 1_000 })),
  );
  await before.close();
  await (await open(runtimeOf(), "x")).schedule("remind", { afterMs: 2_000 }, 0, { key: "behind" });
  await pass(clock, 10_000);
  expect(fired).toEqual(["behind 2026-03-28T12:00:02.000Z"]);
  expect(world.logger.messages).toHaveLength(1);
});

it("the hint of a timer that has fired is erased once", async () => {
  const clock = simulatedClock(START);
  const store = memoryStore({ clock });
  const erase = store.erase?.bind(store);
  const erased: string[] = [];
  store.erase = async (keys) => {
    erased.push(...keys);
    return (await erase?.(keys)) ?? [];
  };
  const timed = defineKind({ timers: { remind: () => undefined } });
  const runtime = createRuntime({ store, clock, kinds: { timed } });
  onTestFinished(() => turned(clock, runtime.close()));
  for (const id of ["a", "b"]) await (await runtime.open("timed", id)).schedule("remind", LATER);
  await pass(clock, 2 * HOUR_MS);
  expect(erased.length).toBe(2);
  expect(new Set(erased).size).toBe(2);
});

it("timers that take long let calls of their scope in between", async () => {
  const clock = simulatedClock(START);
  const log: string[] = [];
  const goOn = gate();
  const timed: Kind<Counter, "slow"> = defineKind<Counter, "slow">({
    timers: {
      slow: async (_scope, { key }) => {
        log.push(key);
        if (key === "a") await goOn.promise;
      },
    },
  });
  const runtime = new World(memory, clock).runtime({ kinds: { timed } });
  const scope = await runtime.open("timed", "x");
  for (const key of ["a", "b", "c"]) await scope.schedule("slow", LATER, 0, { key });
  await pass(clock, HOUR_MS);
  await pass(clock, 1_000);
  expect(log).toEqual(["a"]);
  const call = scope.patchState({ n: 1 }).then(() => log.push("call"));
  await clock.advance(300);
  goOn.open();
  await turned(clock, call);
  await pass(clock, 1_000);
  expect(log).toEqual(["a", "call", "b", "c"]);
});

it("timers fire by the time that fake timers make", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const fired: string[] = [];
  const timed = defineKind({ timers: { remind: (_scope, { key }) => void fired.push(key) } });
  const runtime = createRuntime({ store: memoryStore(), kinds: { timed } });
  const scope = await runtime.open("timed", "x");
  await scope.schedule("remind", { afterMs: 60_000 }, 0, { key: "a" });
  await vi.advanceTimersByTimeAsync(59_000);
  expect(fired).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(fired).toEqual(["a"]);
  vi.useRealTimers();
  await runtime.close();
});
