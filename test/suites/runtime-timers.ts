/** Claims about timers of scopes, on any store. */
import { describe, expect, it } from "vitest";
import { equal } from "../../actors/state/equal.ts";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope, Timer } from "../../src/runtime/scope.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import { gate, rejection, settled, turned, until } from "../support/waiting.ts";
import { type Counter, type RuntimeStores, World } from "./runtime-world.ts";

const START = 1_000_000;
const LATER = { afterMs: 3_600_000 };
const NOW = { afterMs: 0 };
/** Timers that become due when the clock is turned. */
const LATE_MS = 60_000;

/** A kind whose timers are kept in a list. */
function keeping(options: { readonly durability?: "commit" | "checkpoint" | "volatile" } = {}) {
  const fired: { readonly id: string; readonly timer: Timer }[] = [];
  const counted: string[] = [];
  const kind: Kind<Counter, "remind" | "count"> = defineKind<Counter, "remind" | "count">({
    ...options,
    timers: {
      remind: (scope, timer) => void fired.push({ id: scope.identity.id, timer }),
      count: async (scope) => {
        counted.push(scope.identity.id);
        await scope.incState({ n: 1 });
      },
    },
  });
  const keys = (): string[] => fired.map(({ id, timer }) => `${id} ${timer.key}`).toSorted();
  return { fired, counted, keys, kind };
}

type Keeping = ReturnType<typeof keeping>;

const timers = { pollMs: 20 };

/** A runtime whose kind `timed` keeps what fires. */
function runtimeOf(here: World, { kind }: Keeping, store?: StateStore): Runtime {
  const kinds = { timed: kind };
  return here.runtime({ kinds, timers, exclusiveLeaseMs: 1_000, ...(store && { store }) });
}

const open = (runtime: Runtime, id = "x"): Promise<Scope<Counter>> => runtime.open("timed", id);

/** Lets no more time pass than really does, as leases at a server go by its own clock. */
function inTime(clock: SimulatedClock, isSo: () => boolean): Promise<void> {
  return turned(clock, until(isSo), 1);
}

/** All keys of a store. */
async function keysOf(store: StateStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  return keys;
}

/** Claims about `schedule` and what fires. */
export function timerCases(stores: RuntimeStores): void {
  describe("timers", () => {
    setCases(stores);
    recipeCases(stores);
    fireCases(stores);
    endCases(stores);
  });
}

function setCases(stores: RuntimeStores): void {
  it.each(["commit", "checkpoint", "volatile"] as const)(
    "a timer of a %s kind fires once, with its payload, and makes no version",
    async (durability) => {
      const kept = keeping({ durability });
      const scope = await open(runtimeOf(new World(stores), kept));
      const at = new Date(Date.now() + 1);
      const payload = { text: "é", when: new Date(5) };
      expect(await scope.schedule("remind", { at }, payload, { key: "k" })).toBe("k");
      await until(() => kept.fired.length > 0);
      expect(kept.fired).toEqual([{ id: "x", timer: { key: "k", name: "remind", payload, at } }]);
      await until(() => scope.stats.waiting === 0);
      expect(await scope.timers()).toEqual([]);
      expect(scope.version).toBe(0);
      expect(kept.fired).toHaveLength(1);
    },
  );

  it("timers are listed by time, replaced by key, and removed", async () => {
    const scope = await open(runtimeOf(new World(stores), keeping()));
    const [late, early] = [new Date(Date.now() + 5e9), new Date(Date.now() + 4e9)];
    await scope.schedule("remind", { at: late }, 1, { key: "a" });
    const key = await scope.schedule("count", { at: early });
    await scope.schedule("count", { at: late }, 2, { key: "a" });
    expect(await scope.timers()).toEqual([
      { key, name: "count", payload: undefined, at: early },
      { key: "a", name: "count", payload: 2, at: late },
    ]);
    expect(await scope.unschedule("a")).toBe(true);
    expect(await scope.unschedule("a")).toBe(false);
    expect(await scope.timers()).toHaveLength(1);
    expect(scope.version).toBe(0);
  });

  it("many timers are set at once", async () => {
    const scope = await open(runtimeOf(new World(stores), keeping()));
    const keys = Array.from({ length: 60 }, (_, key) => `k${key}`);
    await Promise.all(keys.map((key) => scope.schedule("remind", LATER, key, { key })));
    expect((await scope.timers()).map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
  });

  it("another process sees and removes a timer", async () => {
    const here = new World(stores);
    const kept = keeping();
    const [one, two] = here.pair({ kinds: { timed: kept.kind }, timers });
    await (await open(one)).schedule("remind", LATER, 1, { key: "a" });
    const scope = await open(two);
    expect(await scope.timers()).toMatchObject([{ key: "a" }]);
    expect(await scope.unschedule("a")).toBe(true);
    expect(await (await open(one)).timers()).toEqual([]);
  });
}

function recipeCases(stores: RuntimeStores): void {
  it.each(["commit", "checkpoint", "volatile"] as const)(
    "a recipe of a %s kind sets a timer with its change, and none when it throws",
    async (durability) => {
      const kept = keeping({ durability });
      const scope = await open(runtimeOf(new World(stores), kept));
      const failed = scope.update((_draft, { schedule }) => {
        schedule("remind", NOW, 0, { key: "never" });
        throw new Error("no");
      });
      await rejection(failed);
      const key = await scope.transact(async (draft, context) => {
        draft.n = 1;
        await settled();
        return context.schedule("remind", LATER, 1, { key: "kept" });
      });
      expect(key).toBe("kept");
      expect(scope.version).toBe(1);
      expect(await scope.timers()).toMatchObject([{ key: "kept", payload: 1 }]);
      await scope.atomicState((_state, context) => {
        context.schedule("remind", NOW, 2, { key: "kept" });
        return { n: 2 };
      });
      await until(() => kept.fired.length > 0);
      await until(() => scope.stats.waiting === 0);
      expect(await scope.timers()).toEqual([]);
      expect(kept.keys()).toEqual(["x kept"]);
      expect(kept.fired[0]?.timer.payload).toBe(2);
    },
  );

  it("a recipe of one scope may name it, and no other", async () => {
    const runtime = runtimeOf(new World(stores), keeping());
    const [scope, other] = [await open(runtime), await open(runtime, "other")];
    const set = (target: typeof scope): Promise<string> =>
      runtime.transact([scope], (_drafts, { schedule }) => schedule(target, "remind", LATER));
    const key = await set(scope);
    expect(await scope.timers()).toMatchObject([{ key }]);
    const refusal = /timers of the scopes that its recipe changes/;
    await expect(set(other)).rejects.toThrow(refusal);
    if (runtime.supports("timed").transactions) {
      const scopes = [scope, await open(runtime, "third")] as const;
      const both = runtime.transact(scopes, (_drafts, context) =>
        context.schedule(other, "remind", LATER),
      );
      await expect(both).rejects.toThrow(refusal);
    }
    expect(await other.timers()).toEqual([]);
  });

  it("a recipe that changes nothing sets its timer without a version", async () => {
    const kept = keeping();
    const scope = await open(runtimeOf(new World(stores), kept));
    await scope.patchState({ n: 1 });
    await scope.update((_draft, context) => void context.schedule("remind", NOW, 0, { key: "a" }));
    expect(scope.version).toBe(1);
    await until(() => kept.fired.length === 1);
  });

  it("a recipe that runs again sets one timer", async () => {
    const here = new World(stores);
    const kept = keeping();
    const [one, two] = here.pair({ kinds: { timed: kept.kind }, timers, watch: false });
    const [scope, other] = [await open(one), await open(two)];
    await other.patchState({ n: 1 });
    const attempts: number[] = [];
    await scope.transact((draft, context) => {
      attempts.push(context.attempt);
      draft.n = (draft.n ?? 0) + 1;
      context.schedule("remind", LATER);
    });
    expect(attempts).toEqual([1, 2]);
    expect(await scope.timers()).toHaveLength(1);
    expect(await other.timers()).toHaveLength(1);
  });

  it("a call with a once key sets its timer once", async () => {
    const scope = await open(runtimeOf(new World(stores), keeping()));
    const set = (): Promise<string> =>
      scope.transact(
        (draft, context) => {
          draft.n = 1;
          return context.schedule("remind", LATER);
        },
        { once: "a" },
      );
    expect(await set()).toBe(await set());
    expect(await scope.timers()).toHaveLength(1);
  });

  it("recipes set more timers than notes are kept", async () => {
    const scope = await open(runtimeOf(new World(stores), keeping()));
    for (let n = 1; n <= 70; n += 1)
      await scope.update((draft, context) => {
        draft.n = n;
        context.schedule("remind", LATER, n);
      });
    expect(
      (await scope.timers())
        .map(({ payload }) => payload)
        .toSorted((a, b) => Number(a) - Number(b)),
    ).toEqual(Array.from({ length: 70 }, (_, n) => n + 1));
    expect(scope.version).toBe(70);
  });
}

function fireCases(stores: RuntimeStores): void {
  it("a timer fires after a restart, without an open", async () => {
    const here = new World(stores);
    const first = keeping();
    const before = runtimeOf(here, first);
    await (await open(before)).schedule("count", { afterMs: 400 });
    await (
      await open(before, "y")
    ).update((draft, context) => {
      draft.n = 10;
      context.schedule("count", { afterMs: 400 });
    });
    await before.close();
    const after = runtimeOf(here, keeping());
    const wanted = [{ n: 1 }, { n: 11 }];
    const read = async (): Promise<unknown> =>
      (await after.read("timed", ["x", "y"])).map((found) => found?.state);
    let states = await read();
    for (const end = Date.now() + 20_000; Date.now() < end && !equal(states, wanted);)
      states = await read();
    expect(states).toEqual(wanted);
  });

  it("several runtimes fire each timer once", async () => {
    const here = new World(stores);
    const kept = keeping();
    const options = { kinds: { timed: kept.kind }, timers };
    const runtimes = [
      ...here.pair(options),
      ...(stores.several === true ? here.pair(options) : []),
    ];
    const ids = Array.from({ length: 40 }, (_, id) => `s${id}`);
    const at = new Date(Date.now() + 300);
    await Promise.all(
      ids.map(async (id, index) => {
        const runtime = runtimes[index % runtimes.length];
        if (runtime === undefined) throw new Error("no runtime");
        const scope = await open(runtime, id);
        await scope.schedule("remind", { at }, 0, { key: "a" });
        await scope.schedule("remind", { at }, 0, { key: "b" });
        await scope.schedule("count", { at });
      }),
    );
    await until(() => kept.fired.length >= 80 && kept.counted.length >= 40);
    for (const runtime of runtimes) await runtime.close();
    expect(kept.keys()).toEqual(ids.flatMap((id) => [`${id} a`, `${id} b`]).toSorted());
    const states = await runtimeOf(here, keeping()).read("timed", ids);
    expect(states.map((read) => read?.state)).toEqual(ids.map(() => ({ n: 1 })));
  });

  it("a handler has the scope to itself, and may set its own timer again", async () => {
    const here = new World(stores);
    const [began, goOn] = [gate(), gate()];
    const kind: Kind<Counter, "slow"> = defineKind<Counter, "slow">({
      timers: {
        slow: async (scope, { key, payload }) => {
          await scope.incState({ n: 1 });
          if (payload === 2) return;
          await scope.schedule("slow", NOW, 2, { key });
          began.open();
          await goOn.promise;
        },
      },
    });
    const scope = await open(here.runtime({ kinds: { timed: kind }, timers }));
    await scope.schedule("slow", NOW, 1, { key: "a" });
    await began.promise;
    const waits = scope.incState({ n: 100 });
    await settled();
    expect(scope.state).toEqual({ n: 1 });
    goOn.open();
    await waits;
    await until(() => scope.state.n === 102);
    await until(() => scope.stats.waiting === 0);
    expect(await scope.timers()).toEqual([]);
  });

  it("a timer that another runtime replaces while its handler runs stays set", async () => {
    const here = new World(stores);
    const [began, goOn] = [gate(), gate()];
    let firing = 0;
    const [first, second] = [0, 1].map((number) => {
      const slow = async (): Promise<void> => {
        firing = number;
        began.open();
        await goOn.promise;
      };
      const kind = defineKind<Counter, "slow">({ timers: { slow } });
      return here.runtime({ kinds: { timed: kind }, timers });
    });
    if (first === undefined || second === undefined) throw new Error("no runtime");
    await (await open(first)).schedule("slow", NOW, 1, { key: "a" });
    await began.promise;
    const [busy, other] = firing === 0 ? [first, second] : [second, first];
    const scope = await open(other);
    await scope.schedule("slow", LATER, 2, { key: "a" });
    goOn.open();
    await busy.close();
    expect(await scope.timers()).toMatchObject([{ key: "a", payload: 2 }]);
  });

  it("a handler that throws runs again", async () => {
    const here = new World(stores);
    let tries = 0;
    const kind = defineKind({
      timers: {
        fails: () => {
          tries += 1;
          if (tries < 2) throw new Error("not yet");
        },
      },
    });
    const runtime = here.runtime({ kinds: { timed: kind }, timers });
    const scope = await runtime.open("timed", "x");
    await scope.schedule("fails", NOW);
    await until(() => tries === 2);
    await until(() => scope.stats.waiting === 0);
    expect(await scope.timers()).toEqual([]);
    expect(here.logger.messages).toEqual(["the handler of a timer failed; it runs again"]);
  });

  it("a timer without a handler is kept, and fires when the handler is back", async () => {
    const clock = simulatedClock(START);
    const here = new World(stores, clock);
    const kept = keeping();
    const before = runtimeOf(here, kept);
    await (await open(before)).schedule("remind", { afterMs: LATE_MS }, 0, { key: "a" });
    await before.close();
    await clock.advance(LATE_MS);
    const without = here.runtime({ kinds: { timed: defineKind({ timers: {} }) }, timers });
    await inTime(clock, () => here.logger.lines.length > 0);
    await settled();
    expect(here.logger.messages).toEqual([
      "due timers have no handler in this program; they are kept",
    ]);
    await without.close();
    runtimeOf(here, kept);
    await inTime(clock, () => kept.fired.length === 1);
  });
}

function endCases(stores: RuntimeStores): void {
  it.each(["commit", "checkpoint", "volatile"] as const)(
    "delete of a %s kind removes its timers, also when it is created anew",
    async (durability) => {
      const kept = keeping({ durability });
      const scope = await open(runtimeOf(new World(stores), kept));
      await scope.schedule("remind", LATER, 0, { key: "before" });
      await scope.update((draft, context) => {
        draft.n = 1;
        context.schedule("remind", LATER, 0, { key: "noted" });
      });
      expect(await scope.timers()).toHaveLength(2);
      await scope.delete();
      expect(await scope.timers()).toEqual([]);
      await scope.schedule("remind", LATER, 0, { key: "after" });
      await scope.update((draft, context) => {
        draft.n = 2;
        context.schedule("remind", LATER, 0, { key: "later" });
      });
      expect((await scope.timers()).map(({ key }) => key).toSorted()).toEqual(["after", "later"]);
    },
  );

  it.each(["commit", "checkpoint", "volatile"] as const)(
    "delete of a %s kind removes timers that were set without a record, or after it was deleted",
    async (durability) => {
      const kept = keeping({ durability });
      const world = new World(stores);
      const [scope, other] = [
        await open(runtimeOf(world, kept)),
        await open(runtimeOf(world, kept)),
      ];
      await scope.schedule("remind", LATER, 0, { key: "alone" });
      expect(await scope.delete()).toBe(false);
      expect(await scope.timers()).toEqual([]);
      await scope.update((draft, context) => {
        draft.n = 1;
        context.schedule("remind", LATER, 0, { key: "noted" });
      });
      expect(await scope.delete()).toBe(true);
      await scope.schedule("remind", LATER, 0, { key: "after" });
      if (durability === "volatile") await scope.delete();
      else await other.exclusive((held) => held.delete());
      expect(await scope.timers()).toEqual([]);
      await scope.schedule("remind", LATER, 0, { key: "new" });
      expect((await scope.timers()).map(({ key }) => key)).toEqual(["new"]);
    },
  );

  it("deleteAll and erase remove the timers, and erase every record of them", async () => {
    const clock = simulatedClock(START);
    const here = new World(stores, clock);
    const kept = keeping();
    const before = runtimeOf(here, kept);
    for (const id of ["a", "b", "c"]) {
      const scope = await open(before, id);
      await scope.update((draft, context) => {
        draft.n = 1;
        context.schedule("remind", { afterMs: LATE_MS }, 0);
      });
      await scope.schedule("remind", { afterMs: LATE_MS }, 0, { key: "k" });
    }
    await before.close();
    const store = here.store();
    const runtime = runtimeOf(here, kept, store);
    expect(await runtime.erase({ type: "timed", id: "c" })).toBe(true);
    expect((await keysOf(store)).filter((key) => key.endsWith("/c"))).toEqual([]);
    expect(await runtime.deleteAll({ type: "timed", prefix: "b" })).toBe(1);
    await clock.advance(LATE_MS);
    await inTime(clock, () => kept.fired.length >= 2);
    const a = await open(runtime, "a");
    await inTime(clock, () => a.stats.waiting === 0);
    expect(await a.timers()).toEqual([]);
    expect(new Set(kept.fired.map(({ id }) => id))).toEqual(new Set(["a"]));
    expect(kept.fired).toHaveLength(2);
  });

  it("close waits for a handler that runs, and a closed runtime refuses", async () => {
    const here = new World(stores);
    const [began, goOn] = [gate(), gate()];
    const kind = defineKind({
      timers: {
        slow: async (scope) => {
          began.open();
          await goOn.promise;
          await scope.patchState({ done: true });
        },
      },
    });
    const options = { kinds: { timed: kind }, timers };
    const runtime = here.runtime(options);
    const scope = await runtime.open("timed", "x");
    await scope.schedule("slow", NOW);
    await began.promise;
    const closing = runtime.close();
    await settled();
    await rejection(scope.schedule("slow", NOW), "RUNTIME_CLOSED");
    goOn.open();
    await closing;
    const again = await here.runtime(options).open("timed", "x");
    expect(again.state).toEqual({ done: true });
    expect(await again.timers()).toEqual([]);
  });
}
