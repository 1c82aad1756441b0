/** Histories of scopes that are written behind. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatches } from "../../src/patches/apply-patches.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { act, count, type Doc, historyOf, open, versionsOf } from "../support/history.ts";
import { rejection } from "../support/waiting.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";

const KINDS = {
  doc: defineKind<Doc>({ durability: "checkpoint", history: 1_000 }),
  few: defineKind<Doc>({ durability: "checkpoint", history: 3 }),
};

/** Each change leads from the state before it to the state at its version. */
async function expectWhole(scope: Scope<Doc>): Promise<number> {
  let after: object = scope.state;
  let changes = 0;
  for (const { version, patches, inversePatches } of await historyOf(scope)) {
    expect((await scope.at(version)).state).toStrictEqual(after);
    const before = applyPatches(after, inversePatches);
    expect(applyPatches(before, patches)).toStrictEqual(after);
    after = before;
    changes += 1;
  }
  if (changes > 0) expect(after).toStrictEqual({});
  return changes;
}

/** Claims about histories of checkpoint kinds. */
export function behindHistoryCases(stores: RuntimeStores): void {
  describe("a history that is written behind", () => {
    it("has every change, stored or not, and after a restart", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(act, fc.boolean()), { maxLength: 30 }),
          async (steps) => {
            const world = new World(stores);
            const runtime = world.runtime({ kinds: KINDS });
            const scope = await open(runtime, "doc");
            const seen = new Map<number, unknown>([[0, {}]]);
            for (const [step, flushes] of steps) {
              await step(scope);
              if (flushes) await scope.flush();
              seen.set(scope.version, scope.state);
            }
            const check = async (reader: Scope<Doc>): Promise<void> => {
              for (const [at, state] of seen)
                expect((await reader.at(at)).state).toStrictEqual(state);
              const { version } = scope;
              const all = Array.from({ length: version }, (_, at) => version - at);
              expect(await versionsOf(reader)).toEqual(all);
            };
            await check(scope);
            await runtime.close();
            const again = world.runtime({ kinds: KINDS });
            await check(await open(again, "doc"));
            await again.close();
          },
        ),
        { numRuns: 12 },
      );
    });

    it("is whole when two writers repeat their changes on each other's", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS, watch: false });
      const [a, b] = [await open(first, "doc"), await open(second, "doc")];
      for (let round = 0; round < 5; round += 1) {
        const both = [a, b].map(async (scope) => {
          await count(scope, 2);
          await scope.pushState("list", round);
        });
        await Promise.all(both);
        await Promise.all([a.flush(), b.flush()]);
      }
      await a.refresh();
      expect(a.state).toMatchObject({ n: 20 });
      expect(a.state.list).toHaveLength(10);
      expect(await expectWhole(a)).toBeGreaterThan(5);
      expect(await a.undo()).toBe(true);
      await a.flush();
      await b.refresh();
      expect(b.state).toEqual(a.state);
      await expectWhole(b);
    });

    it("keeps exactly the last changes, stored or not", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "few");
      for (const times of [2, 2, 5]) {
        await count(scope, times);
        const { version } = scope;
        const kept = [version, version - 1, version - 2].filter((each) => each > 0);
        expect(await versionsOf(scope)).toEqual(kept);
        await scope.flush();
        expect(await versionsOf(scope)).toEqual(kept);
      }
      expect((await scope.at(7)).state).toEqual({ n: 7 });
      expect(await rejection(scope.at(6))).toMatchObject({ code: "HISTORY_GONE", oldest: 7 });
    });

    it("ends with a delete, also of what was not stored, and begins anew", async () => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await open(runtime, "doc");
      await count(scope, 2);
      await scope.flush();
      await count(scope, 1);
      await scope.delete();
      expect(await versionsOf(scope)).toEqual([]);
      await count(scope, 2);
      expect(await versionsOf(scope)).toEqual([6, 5]);
      await scope.flush();
      expect(await versionsOf(scope)).toEqual([6, 5]);
      await runtime.close();
      const again = await open(world.runtime({ kinds: KINDS }), "doc");
      expect(await versionsOf(again)).toEqual([6, 5]);
      expect([await again.undo(), await again.undo(), await again.undo()]).toEqual([
        true,
        true,
        false,
      ]);
    });

    it("does not make an undo again on the state of another writer, and says so", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS, watch: false });
      const [a, b] = [await open(first, "doc"), await open(second, "doc")];
      await count(a, 2);
      await a.flush();
      await b.refresh();
      await b.incState({ n: 10 });
      await b.flush();
      await a.undo();
      expect(await rejection(a.flush())).toMatchObject({ code: "CONCURRENT_MODIFICATION" });
      expect(a.state).toEqual({ n: 12 });
      expect(await a.undo()).toBe(true);
      expect(a.state).toEqual({ n: 2 });
    });
  });
}
