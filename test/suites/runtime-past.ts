/** What holds of every history, whatever was done and whatever failed. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatches } from "../../src/patches/apply-patches.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { faultyStore } from "../../src/testing/faulty-store.ts";
import { act, type Doc, historyOf, KINDS, open } from "../support/history.ts";
import { keepingLogger } from "../support/waiting.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";

const KEPT = 3;
const acts = fc.array(fc.tuple(act, fc.nat({ max: 1 })), { maxLength: 25 });

/** Each change leads from the state at the version before it to the state at its own. */
async function expectWhole(scope: Scope<Doc>): Promise<void> {
  const entries = await historyOf(scope);
  const versions = entries.map(({ version }) => version);
  expect(versions).toEqual(versions.map((_, at) => scope.version - at));
  let after: object = scope.state;
  for (const { version, patches, inversePatches } of entries) {
    expect((await scope.at(version)).state).toStrictEqual(after);
    const before = applyPatches(after, inversePatches);
    expect(applyPatches(before, patches)).toStrictEqual(after);
    after = before;
  }
}

/** Claims about histories of random changes. */
export function pastCases(stores: RuntimeStores): void {
  describe("a past of random changes", () => {
    it("is not changed by pruning, except that the oldest states go", async () => {
      await fc.assert(
        fc.asyncProperty(acts, async (steps) => {
          const world = new World(stores);
          const runtimes = world.pair({ kinds: KINDS });
          const scopes = await Promise.all(runtimes.map((each) => open(each, "few")));
          const seen = new Map<number, unknown>([[0, {}]]);
          for (const [step, at] of steps) {
            const scope = scopes[at];
            if (scope === undefined) continue;
            await step(scope).catch(() => undefined); // A rewind to what is gone.
            seen.set(scope.version, scope.state);
            const oldest = Math.max(0, scope.version - KEPT + 1);
            for (let version = oldest; version <= scope.version; version += 1)
              expect((await scope.at(version)).state).toStrictEqual(seen.get(version));
          }
          for (const runtime of runtimes) await runtime.close();
        }),
        { numRuns: 8 },
      );
    });

    it("is whole after lost, torn and repeated commits of two writers", async () => {
      const rates = { fail: 0.1, lost: 0.1, unknown: 0.1, duplicate: 0.1, conflict: 0.1 };
      await fc.assert(
        fc.asyncProperty(acts, fc.integer(), async (steps, seed) => {
          const world = new World(stores);
          const faulty = faultyStore(world.store(), { seed, rates });
          const options = { kinds: KINDS, store: faulty, logger: keepingLogger() };
          const runtimes = [world.runtime(options), world.runtime(options)];
          for (const [step, at] of steps) {
            const scope = await opened(runtimes, at);
            if (scope !== undefined) await step(scope).catch(() => undefined);
          }
          faulty.calm();
          const scope = await opened(runtimes, 0);
          if (scope === undefined) throw new Error("the store has no faults any more");
          await scope.read();
          await expectWhole(scope);
          const before = scope.state;
          if (await scope.undo()) expect(await scope.redo()).toBe(true);
          expect(scope.state).toStrictEqual(before);
          for (const runtime of runtimes) await runtime.close();
        }),
        { numRuns: 15 },
      );
    });

    it("keeps the keys of once over a rewind, also after a restart", async () => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await open(runtime, "doc");
      const add = (to: Scope<Doc>): Promise<number> =>
        to.transact((draft) => (draft.n = (draft.n ?? 0) + 1), { once: "delivery" });
      expect(await add(scope)).toBe(1);
      await scope.rewind(0);
      expect([await add(scope), scope.state]).toEqual([1, {}]);
      await scope.undo();
      expect([await add(scope), scope.state]).toEqual([1, { n: 1 }]);
      await scope.redo();
      await runtime.close();
      const again = await open(world.runtime({ kinds: KINDS }), "doc");
      expect([await add(again), again.state]).toEqual([1, {}]);
      expect(await again.rewind(1, { once: "back" })).toBe(true);
      await again.incState({ n: 4 });
      expect(await again.rewind(1, { once: "back" })).toBe(true); // The first answer.
      expect(again.state).toEqual({ n: 5 });
    });
  });
}

/** The scope in one of the runtimes; `undefined` when its read meets a fault. */
async function opened(runtimes: readonly Runtime[], at: number): Promise<Scope<Doc> | undefined> {
  const runtime = runtimes[at];
  return runtime && open(runtime, "doc").catch(() => undefined);
}
