/** Recipes whose call resolves to what they returned. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { World, type Counter, type RuntimeStores } from "./runtime-world.ts";

const KINDS = { ledger: defineKind({ durability: "checkpoint" as const }) };
/** One type per durability. */
const TYPES = ["user", "ledger", "temp"];

/** Adds one and returns the number. */
function next(draft: Counter): number {
  draft.n = (draft.n ?? 0) + 1;
  return draft.n;
}

async function openTwo(runtime: Runtime): Promise<[Scope<Counter>, Scope<Counter>]> {
  return [await runtime.open<Counter>("user", "a"), await runtime.open<Counter>("org", "a")];
}

/** Claims about `transact` and `appendState`. */
export function transactCases(stores: RuntimeStores): void {
  describe("transact on one scope", () => {
    it.each(TYPES)("of type %s gives five at once 1, 2, 3, 4, 5", async (type) => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await runtime.open<Counter>(type, "a");
      const made = await Promise.all(
        Array.from({ length: 5 }, (_, index) =>
          scope.transact(index % 2 === 0 ? next : async (draft) => next(draft)),
        ),
      );
      expect(made).toEqual([1, 2, 3, 4, 5]);
      expect([scope.state.n, scope.version]).toEqual([5, 5]);
      expect(await scope.transact((draft) => draft)).toBe(scope.state);
      expect(scope.version).toBe(5);
      await runtime.close();
      const again = await world.runtime({ kinds: KINDS }).open<Counter>(type, "a");
      expect(again.state.n).toBe(type === "temp" ? undefined : 5);
    });

    it("of two runtimes never gives one number twice", async () => {
      const pair = new World(stores).pair({ cas: { baseDelayMs: 1 } });
      const scopes = await Promise.all(pair.map((runtime) => runtime.open<Counter>("user", "a")));
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, index) => {
          const scope = scopes[index % 2];
          if (scope === undefined) throw new Error("two scopes");
          return scope.transact(next);
        }),
      );
      const order = made.toSorted((one, other) => one - other);
      expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    });

    it("that changes nothing resolves to a result of the current state", async () => {
      const [writer, reader] = new World(stores).pair({ watch: false });
      const mine = await writer.open<Counter>("user", "a");
      const older = await reader.open<Counter>("user", "a");
      await mine.patchState({ n: 3 });
      expect(await older.transact(({ n }) => ({ n }))).toEqual({ n: 3 });
      expect([older.version, older.state.n]).toEqual([1, 3]);
    });

    it("works in every store through the runtime, alone", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("user", "a");
      const made = await runtime.transact([scope], ([draft], { attempt }) => [
        next(draft),
        attempt,
      ]);
      expect(made).toEqual([1, 1]);
      expect(await runtime.transact([scope, scope], async ([a, b]) => [next(a), next(b)])).toEqual([
        2, 3,
      ]);
      expect([scope.state.n, scope.version]).toEqual([3, 2]);
      await expect(runtime.transact([], () => 1)).rejects.toThrow(TypeError);
      const strange = world.runtime();
      await expect(strange.transact([scope], () => 1)).rejects.toThrow(TypeError);
    });

    it("appends many values with one event, and none", async () => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      for (const type of TYPES) {
        const scope = await runtime.open<Counter>(type, "list");
        const deltas: unknown[] = [];
        scope.subscribe(({ operation, delta }) => deltas.push([operation, delta]));
        expect(await scope.appendState("list", [1, 2])).toBe(true);
        expect(await scope.appendState("list", [3])).toBe(true);
        expect(await scope.appendState("list", [])).toBe(false);
        expect([scope.state.list, scope.version]).toEqual([[1, 2, 3], 2]);
        expect(deltas).toEqual([
          ["push", { list: [1, 2] }],
          ["push", { list: [3] }],
        ]);
        await scope.flush();
        await scope.refresh();
        expect(scope.state.list).toEqual([1, 2, 3]);
      }
    });
  });

  describe("transact on several scopes", () => {
    it("is refused by a store that cannot do it", async (test) => {
      const world = new World(stores);
      const runtime = world.runtime();
      if (world.store().supports.transactions) return test.skip();
      const scopes = await openTwo(runtime);
      const work = runtime.transact(scopes, ([a]) => next(a));
      await expect(work).rejects.toThrow(/cannot do transactions/u);
      expect(scopes[0].version).toBe(0);
      return undefined;
    });

    it("resolves to frozen parts of what was committed", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.transactions) return test.skip();
      const runtime = world.runtime({ kinds: KINDS });
      const [user, org] = await openTwo(runtime);
      const ledger = await runtime.open<Counter>("ledger", "a");
      await org.patchState({ list: [1] });
      const made = await runtime.transact(
        [org, user, ledger],
        async ([one, two, three], { attempt }) => {
          await Promise.resolve();
          one.list?.push(2);
          next(three);
          return { attempt, n: next(two), list: one.list, all: [one, two, three] };
        },
      );
      expect(made).toEqual({
        attempt: 1,
        n: 1,
        list: [1, 2],
        all: [{ list: [1, 2] }, { n: 1 }, { n: 1 }],
      });
      expect(made.all).toEqual([org.state, user.state, ledger.state]);
      expect(made.list).toBe(org.state.list);
      expect(Object.isFrozen(made.list)).toBe(true);
      expect(await runtime.transact([user, org], () => ({ n: 9 }))).toEqual({ n: 9 });
      expect([user.version, org.version]).toEqual([1, 2]);
      return undefined;
    });

    it("runs again after a conflict, and verifies a result without a change", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.transactions) return test.skip();
      const [first, second] = world.pair({ watch: false, cas: { baseDelayMs: 1 } });
      const mine = await openTwo(first);
      const [theirs] = await openTwo(second);
      await theirs.patchState({ n: 5 });
      const runs: number[] = [];
      const made = await first.transact(mine, ([a, b], { attempt }) => {
        runs.push(attempt);
        return [next(a), next(b)];
      });
      expect([made, runs]).toEqual([
        [6, 1],
        [1, 2],
      ]);
      await theirs.refresh();
      await theirs.patchState({ n: 10 });
      expect(await first.transact(mine, ([a, b]) => [a.n, b.n])).toEqual([10, 1]);
      return undefined;
    });
  });
}
