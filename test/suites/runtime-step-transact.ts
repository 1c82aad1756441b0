/**
 * Transactions of steps (X1 to X4 of src/runtime/sequencer/step-effects.ts): each takes effect once,
 * also when the step runs again.
 */
import { describe, expect, it } from "vitest";
import {
  defineKind,
  defineSequencer,
  type Runtime,
  type Scope,
  type StepContext,
} from "../../src/index.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, until } from "../support/waiting.ts";

const KINDS = { few: defineKind<Counter>({ onceKept: 2 }) };
const RETRY = { retry: { attempts: 2, baseDelayMs: 1 } };

/** Adds one to a scope, and returns the number. */
function addTo(ctx: StepContext, scope: Scope<Counter>): Promise<number> {
  return ctx.transact([scope], ([draft]) => (draft.n = (draft.n ?? 0) + 1));
}

function open(runtime: Runtime, id: string, type = "user"): Promise<Scope<Counter>> {
  return runtime.open<Counter>(type, id);
}

/** Registers what holds of `ctx.transact`. */
export function stepTransactCases(stores: RuntimeStores): void {
  describe("a transaction of a step", () => {
    it("resolves to its first result in a further try, each by its place", async () => {
      const runtime = new World(stores).runtime();
      const scope = await open(runtime, "a");
      const ran: string[] = [];
      const sequence = defineSequencer({ name: "s" }).step(
        "a",
        async (ctx) => {
          const both = await Promise.all([addTo(ctx, scope), addTo(ctx, scope)]);
          const third = await ctx.transact([scope], ([draft], { attempt }) => {
            ran.push(`${ctx.attempt} ${attempt}`);
            return { at: draft.n, nothing: undefined };
          });
          if (ctx.attempt === 1) throw new Error("broken");
          return [...both, third];
        },
        RETRY,
      );
      const run = runtime.run(sequence);
      expect(await run.result).toMatchObject({ output: [1, 2, { at: 2, nothing: undefined }] });
      expect(scope.state.n).toBe(2);
      expect(ran).toEqual(["1 1"]);
      expect(await runtime.run(sequence).result).toMatchObject({ output: [3, 4, { at: 4 }] });
    });

    it("takes effect once when its result was not stored (X3)", async () => {
      const world = new World(stores);
      const [first, second] = [world.runtime(), world.runtime()];
      const hung = gate();
      const results: number[] = [];
      const adding = (runtime: Runtime, wait: () => unknown) =>
        defineSequencer({ name: "s" }).step("a", async (ctx) => {
          results.push(await addTo(ctx, await open(runtime, "a")));
          await wait();
        });
      const cut = rejection(
        first.run(
          adding(first, () => hung.promise),
          { runId: "r" },
        ).result,
      );
      await until(() => results.length === 1);
      await first.close();
      await cut;
      const store = world.store();
      expect(await storedRun(store, "r")).toMatchObject({ transacted: [{ n: 0, result: 1 }] });
      await writeRun(store, "r", (record) => ({ ...record, transacted: [] }));
      await second.resume(
        adding(second, () => undefined),
        "r",
      );
      expect(results).toEqual([1, 1]);
      expect((await open(second, "a")).state.n).toBe(1);
    });

    it("takes effect once when the scope has forgotten its key over a suspension", async () => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await runtime.open<Counter>("few", "a");
      const sequence = defineSequencer({ name: "s" }).step("a", async (ctx) => {
        const [n] = await Promise.all([addTo(ctx, scope), ctx.suspend("why?")]);
        return n;
      });
      await runtime.run(sequence, { runId: "r" }).result;
      for (const once of ["1", "2", "3"]) await scope.incState({ n: 1 }, { once });
      expect(await runtime.resume(sequence, "r")).toMatchObject({ output: 1 });
      expect(scope.state.n).toBe(4);
    });

    it("is tried again when its recipe threw", async () => {
      const runtime = new World(stores).runtime();
      const scope = await open(runtime, "a");
      const sequence = defineSequencer({ name: "s" }).step(
        "a",
        (ctx) =>
          ctx.transact([scope], ([draft]) => {
            draft.n = ctx.attempt;
            if (ctx.attempt === 1) throw new Error("broken");
            return draft.n;
          }),
        RETRY,
      );
      expect(await runtime.run(sequence).result).toMatchObject({ output: 2 });
      expect(scope.state.n).toBe(2);
    });

    it("changes several scopes together where the store can", async () => {
      const runtime = new World(stores).runtime();
      const [a, b] = [await open(runtime, "a"), await open(runtime, "b")];
      await a.setState({ n: 5 });
      const sequence = defineSequencer({ name: "s" }).step(
        "move",
        async (ctx) => {
          await ctx.transact([a, b], ([from, to]) => {
            to.n = (to.n ?? 0) + (from.n ?? 0);
            from.n = 0;
          });
          if (ctx.attempt === 1) throw new Error("broken");
        },
        RETRY,
      );
      const { result } = runtime.run(sequence);
      if (runtime.supports("user").transactions) {
        await result;
        expect([a.state.n, b.state.n]).toEqual([0, 5]);
      } else await expect(result).rejects.toBeInstanceOf(TypeError);
    });

    it("refuses scopes that are not stored, or not of this runtime, and other misuse", async () => {
      const [runtime, other] = new World(stores).pair();
      const [own, foreign] = [await open(runtime, "a"), await open(other, "a")];
      const volatile = await open(runtime, "a", "temp");
      const add = () => 1;
      const misuses: [RegExp, (ctx: StepContext) => Promise<unknown>][] = [
        [/temp\/a is volatile/, (ctx) => ctx.transact([own, volatile], add)],
        [/opened through this runtime/, (ctx) => ctx.transact([foreign], add)],
        [/a list of scopes/, (ctx) => ctx.transact(own as never, add)],
        [/a scope at least/, (ctx) => ctx.transact([], add)],
        [/function/, (ctx) => ctx.transact([own], 5 as never)],
        [/no option "once"/, (ctx) => ctx.transact([own], add, { once: "k" } as never)],
      ];
      const sequence = defineSequencer({ name: "s" }).step("a", async (ctx) => {
        for (const [message, misuse] of misuses) {
          const error = await rejection(misuse(ctx));
          expect(error.name).toMatch(/TypeError$/);
          expect(error.message).toMatch(message);
        }
        return addTo(ctx, own);
      });
      expect(await runtime.run(sequence).result).toMatchObject({ output: 1 });
    });

    it("fails its step inside runOnce (X4), and has no effect after its try", async () => {
      const runtime = new World(stores).runtime();
      const scope = await open(runtime, "a");
      const inside = defineSequencer({ name: "s" }).step("a", (ctx) =>
        ctx.runOnce("k", () => addTo(ctx, scope)),
      );
      const misuse = /transact was called inside runOnce/;
      await expect(runtime.run(inside).result).rejects.toThrow(misuse);
      const kept: StepContext[] = [];
      const late = defineSequencer({ name: "s" }).step("a", (ctx) => kept.push(ctx));
      await runtime.run(late).result;
      for (const ctx of kept) await rejection(addTo(ctx, scope), "SCOPE_STOPPED");
      expect(scope.version).toBe(0);
    });
  });
}
