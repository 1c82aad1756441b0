/**
 * Timers on a store whose answers are lost, a ledger that is removed late or not at all, and waits
 * while the clock is set back.
 */
import { describe, expect, it } from "vitest";
import { defineKind, type Kind } from "../../../../src/runtime/kinds.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";
import type { Scope } from "../../../../src/runtime/scope.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import {
  type FaultCall,
  type FaultKind,
  faultyStore,
} from "../../../../src/testing/faulty-store.ts";
import { collect } from "../../../support/collect.ts";
import { rejection, settled, turned, until } from "../../../support/waiting.ts";
import { type Counter, World } from "../../../suites/runtime-world.ts";

const START = Date.UTC(2026, 2, 28, 12);
const HOUR_MS = 3_600_000;
const SOON = { afterMs: 1_000 };
const LATER = { afterMs: HOUR_MS };

/** A store whose next calls on ledgers, or on hints, fail as they are told to. */
function setUp() {
  const clock = simulatedClock(START);
  const plan = { operation: "commit", kinds: [] as FaultKind[], prefix: "%timers/" };
  const choose = ({ operation, keys }: FaultCall): FaultKind | undefined =>
    operation === plan.operation && keys.some((key) => key.startsWith(plan.prefix))
      ? plan.kinds.shift()
      : undefined;
  const store = faultyStore(memoryStore({ clock }), { choose });
  const world = new World({ name: "faulty", open: () => store }, clock);
  const fired: string[] = [];
  const tries = { left: 0 };
  const kind: Kind<Counter, "remind"> = defineKind<Counter, "remind">({
    timers: {
      remind: (_scope, { key, payload }) => {
        fired.push(`${key} ${String(payload)}`);
        if (tries.left-- > 0) throw new Error("not yet");
      },
    },
  });
  const runtimeOf = (): Runtime => world.runtime({ kinds: { timed: kind } });
  return {
    clock,
    fired,
    plan,
    runtimeOf,
    store,
    tries,
    open: (runtime: Runtime = runtimeOf()): Promise<Scope<Counter>> => runtime.open("timed", "x"),
    /** The next calls fail like that. */
    next: (operation: "load" | "commit", ...kinds: FaultKind[]): void => {
      Object.assign(plan, { operation, kinds });
    },
    /** All faults that were asked for have happened. */
    isSpent: (): boolean => plan.kinds.length === 0,
    /** Lets `ms` pass in steps, and what fires end. */
    pass: async (ms: number): Promise<void> => {
      for (let step = 0; step < 20; step += 1) {
        await clock.advance(ms / 20);
        await settled();
      }
    },
    /** What a call resolves to while time passes. */
    done: <T>(call: Promise<T>): Promise<T> => turned(clock, call),
  };
}

describe.each<FaultKind>(["lost", "unknown"])(
  "a change of a ledger whose answer is %s",
  (fault) => {
    it("sets, replaces and removes a timer once", async () => {
      const { done, fired, isSpent, next, open, pass } = setUp();
      const scope = await open();
      for (const n of [1, 2]) {
        next("commit", fault);
        await done(scope.schedule("remind", SOON, n, { key: "a" }));
      }
      await pass(20_000);
      expect(fired).toEqual(["a 2"]);
      await done(scope.schedule("remind", SOON, 3, { key: "b" }));
      next("commit", fault);
      expect(await done(scope.unschedule("b"))).toBe(true);
      await pass(20_000);
      expect(fired).toEqual(["a 2"]);
      expect(isSpent()).toBe(true);
    });

    it("sets a timer of a recipe without a change once", async () => {
      const { done, fired, isSpent, next, open, pass } = setUp();
      const scope = await open();
      next("commit", fault);
      await done(scope.update((_, { schedule }) => void schedule("remind", SOON, 1, { key: "a" })));
      await pass(20_000);
      expect(fired).toEqual(["a 1"]);
      expect(isSpent()).toBe(true);
    });

    it("ends a timer, moves it to its next time, and to its next try", async () => {
      const { done, fired, isSpent, next, open, pass, tries } = setUp();
      const scope = await open();
      await done(scope.schedule("remind", { cron: "0 * * * *" }, 0, { key: "hourly" }));
      for (const times of [1, 2, 3]) {
        next("commit", fault);
        await pass(3_600_000);
        await pass(10_000);
        expect(fired).toEqual(Array.from({ length: times }, () => "hourly 0"));
        expect(isSpent()).toBe(true);
      }
      await done(scope.unschedule("hourly"));
      await done(scope.schedule("remind", SOON, 1, { key: "once" }));
      tries.left = 1;
      next("commit", fault, fault);
      await pass(60_000);
      expect(fired.slice(3)).toEqual(["once 1", "once 1"]);
      expect(isSpent()).toBe(true);
      expect(await done(scope.timers())).toEqual([]);
    });
  },
);

/** Sets a timer with a change and one without. */
async function setTwo(here: ReturnType<typeof setUp>, scope: Scope<Counter>, text: string) {
  await scope.update((draft, { schedule }) => {
    draft.text = text;
    schedule("remind", SOON, text, { key: "noted" });
  });
  await here.done(scope.schedule("remind", SOON, text, { key: "set" }));
}

describe("the ledger of a deleted scope", () => {
  it.each<["load" | "commit", FaultKind]>([
    ["load", "fail"],
    ["commit", "fail"],
    ["commit", "lost"],
    ["commit", "unknown"],
  ])("that may be left (%s: %s) fires nothing, and a later life fires once", async (...how) => {
    const here = setUp();
    const { done, fired, isSpent, next, open, pass, runtimeOf } = here;
    const first = runtimeOf();
    const scope = await open(first);
    await setTwo(here, scope, "old");
    await done(scope.schedule("remind", SOON, "old", { key: "other" }));
    next(...how);
    await scope.delete();
    await settled();
    expect(isSpent()).toBe(true);
    expect(await done(scope.timers())).toEqual([]);
    await setTwo(here, scope, "new");
    await done(first.close());
    const again = await open(); // Knows by its record alone when this life began.
    expect((await done(again.timers())).map(({ key }) => key).toSorted()).toEqual(["noted", "set"]);
    await pass(20_000);
    expect(fired.toSorted()).toEqual(["noted new", "set new"]);
    expect(await done(again.timers())).toEqual([]);
  });

  it.each([
    ["still waits", false],
    ["has fired", true],
  ])("that is removed late leaves what a later life has set and %s", async (_, isFired) => {
    const here = setUp();
    const { done, fired, isSpent, next, open, pass, runtimeOf, store } = here;
    const first = runtimeOf();
    await setTwo(here, await open(first), "old");
    await done(first.close());
    const [deleting, other] = [runtimeOf(), runtimeOf()];
    next("load", "hold");
    const removal = deleting.deleteAll({ type: "timed" });
    await settled();
    expect(isSpent()).toBe(true);
    const scope = await open(other);
    await setTwo(here, scope, "new");
    if (isFired) await pass(20_000);
    store.release();
    expect(await done(removal)).toBe(1);
    await pass(20_000);
    expect(fired.toSorted()).toEqual(["noted new", "set new"]);
    expect(await done(scope.timers())).toEqual([]);
  });
});

describe("a clock that is set back", () => {
  it("does not make a look that failed wait for it", async () => {
    const { clock, done, fired, isSpent, next, open, pass, plan } = setUp();
    const scope = await open();
    const at = new Date(START - 3 * HOUR_MS);
    plan.prefix = "%due/";
    const set = scope.schedule("remind", { at }, 1, { key: "a" });
    next("load", "fail");
    await done(set);
    await pass(200);
    expect(isSpent()).toBe(true);
    expect(fired).toEqual([]);
    clock.setTime(START - HOUR_MS);
    await pass(5_000);
    expect(fired).toEqual(["a 1"]);
  });

  it.each([
    ["ended before the clock was set back is over", HOUR_MS, 0],
    ["lives goes on", 8_000, 7_500],
  ])("finds that the claim of a process that %s", async (_, claimMs, silentMs) => {
    const { clock, done, fired, open, pass, runtimeOf, store } = setUp();
    const due = START + HOUR_MS;
    const first = runtimeOf();
    await done((await open(first)).schedule("remind", { at: new Date(due) }, 1, { key: "a" }));
    await done(first.close());
    const [key = ""] = await collect(store.list({ prefix: "%due/" }));
    const state = { name: "remind", made: START, until: due + claimMs };
    await store.commit([{ key, expectedVersion: 1, version: 2, state }]);
    clock.setTime(due);
    runtimeOf();
    await pass(silentMs);
    expect(fired).toEqual([]);
    await pass(1_500);
    expect(fired).toEqual(["a 1"]);
  });
});

describe("a delete that finds no record", () => {
  it.each([0, 70])(
    "keeps the timers of one that is made before its ledger is read, after %i more changes",
    async (more) => {
      const { next, open, runtimeOf, isSpent, store } = setUp();
      const [here, there] = [await open(), await open(runtimeOf())];
      await there.schedule("remind", LATER, 0, { key: "before" });
      next("load", "hold");
      const deletion = here.delete();
      await until(isSpent);
      await there.incState({ n: 1 });
      await there.schedule("remind", LATER, 0, { key: "after" });
      for (let count = 0; count < more; count += 1)
        await there.update((draft, { schedule }) => {
          draft.n = count + 2;
          schedule("remind", LATER, 0, { key: String(count) });
        });
      store.release();
      expect(await deletion).toBe(false);
      expect(await there.timers()).toHaveLength(2 + more);
      expect(there.state.n).toBe(1 + more);
    },
  );

  it("ends no timer that is set after it was cancelled", async () => {
    const { next, open, runtimeOf, isSpent, store } = setUp();
    const [here, there] = [await open(), await open(runtimeOf())];
    await here.schedule("remind", LATER, 0, { key: "before" });
    next("load", "hold");
    const end = new AbortController();
    const deletion = rejection(here.delete({ signal: end.signal }));
    await until(isSpent);
    end.abort();
    expect(await deletion).toMatchObject({ code: "COMMIT_UNKNOWN" });
    await there.schedule("remind", LATER, 0, { key: "after" });
    store.release();
    await settled();
    expect(await there.timers()).toHaveLength(2);
  });
});
