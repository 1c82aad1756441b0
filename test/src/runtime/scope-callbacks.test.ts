/** User code that a scope calls while it drops a mutator, or adopts another writer's state. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../actors/time/clock.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { type Bag, type Bench, durable } from "../../support/durable-bag.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

const never = new Promise<never>(() => undefined);
const enough = new Error("enough");

describe("user code that runs while a mutator is dropped", () => {
  /** A call whose save meets `end`, and a mutator beside it, which is dropped for that. */
  async function beside(
    end: "conflict" | "refused",
    onAbort: (
      bench: Bench & { readonly first: AbortController; readonly own: AbortController },
    ) => void,
  ) {
    const bench = durable();
    const { scope, bridge } = bench;
    const answer = gate();
    bridge.plan = async (_, count) => {
      if (count > 1) return undefined;
      await answer.promise;
      if (end === "refused") throw enough;
      bridge.write({ n: 10 });
      return undefined;
    };
    const [first, own] = [new AbortController(), new AbortController()];
    const runs: string[] = [];
    const saved = scope
      .atomicState(
        ({ n }) => {
          runs.push("first");
          return { n: n + 1 };
        },
        { signal: first.signal },
      )
      .catch((error: unknown) => error);
    const running = scope
      .atomicState(
        async ({ n }, context) => {
          runs.push("beside");
          if (context.attempt > 1) return { n: n + 100 };
          context.signal.addEventListener("abort", () => onAbort({ ...bench, first, own }));
          return never;
        },
        { signal: own.signal },
      )
      .catch((error: unknown) => error);
    while (bridge.saves.length === 0) await settled();
    answer.open();
    await settled();
    await bench.clock.advance(100); // The wait before the next attempt.
    return { ...bench, saved, running, runs };
  }

  it.each(["conflict", "refused"] as const)(
    "may stop the scope (%s): every promise settles",
    async (end) => {
      let stopped: Promise<void> | undefined;
      const { running, saved, scope } = await beside(end, (bench) => {
        stopped ??= bench.scope.stop();
      });
      expect(await running).toMatchObject({ code: "SCOPE_STOPPED" });
      expect(await saved).toMatchObject(end === "refused" ? enough : { code: "SCOPE_STOPPED" });
      await stopped;
      expect(scope.state.n).toBe(end === "refused" ? 0 : 10);
      expect(scope.version).toBe(end === "refused" ? 0 : 1);
    },
  );

  it.each(["conflict", "refused"] as const)(
    "may abort the dropped call (%s): it is counted once, and does not run again",
    async (end) => {
      const { running, saved, scope, runs } = await beside(end, ({ own }) => own.abort(enough));
      expect(await running).toBe(enough);
      if (end === "conflict") expect(await saved).toBe(true);
      expect(runs.filter((run) => run === "beside")).toHaveLength(1);
      await settled();
      expect(scope.stats.waiting).toBe(0);
      expect(await scope.incState({ n: 1 })).toBe(true);
    },
  );

  it("may abort a call of the batch, which does not run again", async () => {
    const { running, saved, scope, runs } = await beside("conflict", ({ first }) =>
      first.abort(enough),
    );
    expect(await saved).toBe(enough);
    expect(await running).toBe(true);
    expect(runs).toEqual(["first", "beside", "beside"]);
    expect(scope.state.n).toBe(110);
  });
});

describe("a subscriber that stops the scope", () => {
  it("when it adopts another writer's state: the state is the one of its version", async () => {
    const { scope, bridge } = durable();
    scope.subscribe(({ operation }) => {
      if (operation === "refresh") void scope.stop();
    });
    bridge.plan = () => {
      bridge.write({ n: 10 });
      return undefined;
    };
    expect(await rejection(scope.incState({ n: 1 }))).toMatchObject({ code: "SCOPE_STOPPED" });
    expect([scope.state.n, scope.version]).toEqual([10, 1]);
  });
});

it("a clock that throws while a save is made fails its calls alone, and no other save", async () => {
  let isBroken = false;
  const now = (): number => {
    if (!isBroken) return Date.now();
    isBroken = false;
    throw enough;
  };
  const clock = { ...systemClock, now };
  const store = sqliteStore({ path: ":memory:" });
  const kinds = { noted: defineKind<Bag>({ initial: { n: 0 }, history: { versions: 5 } }) };
  const runtime = createRuntime({ store, kinds, clock });
  const [one, other] = [await runtime.open("noted", "one"), await runtime.open("noted", "other")];
  await one.incState({ n: 1 });
  const failed = rejection(one.incState({ n: 1 }));
  await Promise.resolve();
  isBroken = true;
  expect(await failed).toBe(enough);
  expect(await Promise.all([one.incState({ n: 1 }), other.incState({ n: 1 })])).toEqual([
    true,
    true,
  ]);
  expect([one.state.n, other.state.n]).toEqual([2, 1]);
  await runtime.close();
});
