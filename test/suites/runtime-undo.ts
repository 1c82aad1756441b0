/** Going back in the history of a scope: rewind, undo and redo. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MutationOptions } from "../../actors/protocol.ts";
import { act, count, historyOf, KINDS, open } from "../support/history.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";

/** A step may go back to what a short history no longer keeps. */
function expectGone(error: unknown): void {
  expect(error).toMatchObject({ code: "HISTORY_GONE" });
}

/** Claims about rewind, undo and redo. */
export function undoCases(stores: RuntimeStores): void {
  describe("going back", () => {
    it("goes back by rewind, as a change that undo takes back", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      await scope.setState({ n: 1 });
      await scope.patchState({ n: 2, text: "x" });
      expect(await scope.rewind(1)).toBe(true);
      expect(scope.state).toStrictEqual({ n: 1 });
      expect(await scope.rewind(1)).toBe(false);
      expect(scope.version).toBe(3);
      expect((await historyOf(scope, { limit: 1 }))[0]).toMatchObject({ operation: "rewind" });
      expect(await scope.undo()).toBe(true);
      expect(scope.state).toStrictEqual({ n: 2, text: "x" });
      expect(await scope.rewind(0)).toBe(true);
      expect(scope.state).toStrictEqual({});
    });

    it("undoes and redoes along one line, in any process", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS });
      const [a, b] = [await open(first, "doc"), await open(second, "doc")];
      await count(a, 3);
      const both = [a, b];
      for (const [at, n] of [2, 1].entries()) {
        expect(await both[at]?.undo()).toBe(true);
        expect(await a.read()).toEqual({ n });
      }
      expect(await b.patchState({ n: 1 })).toBe(false); // No change: redo stays.
      expect(await b.redo()).toBe(true);
      expect(await a.redo()).toBe(true);
      expect(await a.redo()).toBe(false);
      expect(await b.read()).toEqual({ n: 3 });
      await a.undo();
      await b.incState({ n: 10 });
      expect(await a.redo()).toBe(false);
      expect([await a.undo(), await a.undo(), await a.undo(), await a.undo()]).toEqual([
        true,
        true,
        true,
        false,
      ]);
      expect(a.state).toEqual({});
    });

    it("undoes neighbours of a group together", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      const group = (name: string): MutationOptions => ({ meta: { group: name } });
      await scope.incState({ n: 1 }, group("x"));
      await scope.incState({ n: 1 });
      await Promise.all([
        scope.incState({ n: 1 }, group("x")),
        scope.incState({ n: 1 }, group("x")),
      ]);
      await scope.incState({ n: 1 }, group("y"));
      const seen: unknown[] = [];
      while (await scope.undo()) seen.push(scope.state.n);
      expect(seen).toEqual([4, 2, 1, undefined]);
      while (await scope.redo()) seen.push(scope.state.n);
      expect(seen.slice(4)).toEqual([1, 2, 4, 5]);
    });

    it("passes over a group that changed nothing in the end", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      await scope.incState({ n: 1 });
      await scope.incState({ n: 5 }, { meta: { group: "g" } });
      await scope.incState({ n: -5 }, { meta: { group: "g" } });
      expect(await scope.undo()).toBe(true);
      expect(scope.state).toEqual({});
      expect(await scope.redo()).toBe(true);
      expect(scope.state).toEqual({ n: 1 });
    });

    it("undoes calls that were not awaited, in their order", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      const calls = [
        scope.incState({ n: 1 }),
        scope.undo(),
        scope.redo(),
        scope.incState({ n: 1 }),
      ];
      expect(await Promise.all(calls)).toEqual([true, true, true, true]);
      expect(scope.state).toEqual({ n: 2 });
      expect(await Promise.all([scope.undo(), scope.undo(), scope.undo()])).toEqual([
        true,
        true,
        false,
      ]);
    });

    it.each(["doc", "few"])("by undo and then redo changes nothing of a %s", async (type) => {
      await fc.assert(
        fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 15 }), async (steps) => {
          const runtime = new World(stores).runtime({ kinds: KINDS });
          const scope = await open(runtime, type);
          for (const step of steps) await step(scope).catch(expectGone);
          const before = scope.state;
          if (await scope.undo()) expect(await scope.redo()).toBe(true);
          expect(scope.state).toStrictEqual(before);
          await runtime.close();
        }),
        { numRuns: 25 },
      );
    });
  });
}
