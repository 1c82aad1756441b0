/** Recipes whose call resolves to what they returned. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import { World, type Counter, type RuntimeStores } from "./runtime-world.ts";

const KINDS = { ledger: defineKind({ durability: "checkpoint" as const }) };
/** One type per durability. */
const TYPES = ["user", "ledger", "temp"];

/** Adds one and returns the number. */
function next(draft: Counter): number {
  draft.n = (draft.n ?? 0) + 1;
  return draft.n;
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
}
