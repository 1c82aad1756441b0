/** What `close` lets end before it, and what it refuses. */
import { describe, expect, it } from "vitest";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, settled } from "../support/waiting.ts";

const DURABILITIES = ["user", "draft", "temp"];

async function soon<T>(value: T): Promise<T> {
  await settled(3);
  return value;
}

/** Claims about calls that were made before `close`. */
export function drainCases(stores: RuntimeStores): void {
  async function openTwo(runtime: Runtime): Promise<[Scope<Counter>, Scope<Counter>]> {
    return [await runtime.open<Counter>("user", "a"), await runtime.open<Counter>("user", "b")];
  }

  describe("closing", () => {
    it.each(DURABILITIES)("ends what was called on a %s scope, awaited or not", async (type) => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>(type, "u");
      const answers = [
        scope.incState({ n: 1 }),
        scope.atomicState(async (state) => soon(add(state))),
        scope.update((draft) => void (draft.n = (draft.n ?? 0) + 1)),
        scope.atomicState(async (state) => soon(add(state))),
      ];
      const closing = runtime.close();
      await rejection(scope.incState({ n: 100 }), "SCOPE_STOPPED");
      await rejection(scope.atomicState(add), "SCOPE_STOPPED");
      expect(runtime.close({ drainMs: 0 })).toBe(closing);
      await closing;
      expect(await Promise.all(answers)).toEqual([true, true, true, true]);
      expect(scope.state).toEqual({ n: 4 });
      if (type === "temp") return;
      expect((await world.runtime().open<Counter>(type, "u")).state).toEqual({ n: 4 });
    });

    it("ends what was called on the runtime, with all it calls itself", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const [a, b] = await openTwo(runtime);
      const work = [
        runtime.open("user", "late"),
        runtime.list({ type: "user" }),
        runtime.execute({ userId: "u", sessionId: "s" }, async (ctx) => {
          await settled(5);
          await ctx.session.patchState({ n: 1 });
          const other = await runtime.open<Counter>("user", "other");
          await runtime.execute({ userId: "u" }, () => other.atomicState(add));
          void other.atomicState(async (state) => soon(add(state)));
          return "done";
        }),
        a.atomicState(async (state) => {
          await settled(5);
          void b.atomicState(async (inner) => soon(add(inner)));
          return add(state);
        }),
      ];
      const later = a.atomicState(async (state) => {
        await runtime.open("user", "from a mutator");
        return add(state);
      });
      await runtime.close();
      expect((await Promise.all(work)).slice(2)).toEqual(["done", true]);
      expect(await later).toBe(true);
      const next = world.runtime();
      const states = ["a", "b", "other"].map(async (id) => (await next.open("user", id)).state);
      expect(await Promise.all(states)).toEqual([{ n: 2 }, { n: 1 }, { n: 2 }]);
      expect((await next.open("session", "s")).state).toEqual({ n: 1 });
      expect(world.logger.lines).toEqual([]);
    });

    it("ends a transaction that has not taken its scopes yet", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("temp", "a");
      const other = await runtime.open<Counter>("temp", "b");
      const before = scope.atomicState(async (state) => soon(add(state)));
      const both = runtime.transaction([other, scope], async (second, first) => {
        await settled(2);
        first.n = (first.n ?? 0) + 1;
        second.n = 7;
      });
      await runtime.close();
      expect(await Promise.all([before, both])).toEqual([true, true]);
      expect([scope.state, other.state]).toEqual([{ n: 2 }, { n: 7 }]);
    });

    it("refuses code that a call left behind, and what belongs to no call", async () => {
      const runtime = new World(stores).runtime();
      const [a, b] = await openTwo(runtime);
      const kept = gate();
      let left: Promise<unknown> = Promise.resolve();
      await runtime.execute({ userId: "u" }, () => {
        left = kept.promise.then(() => b.atomicState(add));
        left.catch(() => undefined);
      });
      const [inside, held] = [gate(), gate()];
      const working = a.atomicState(async (state) => {
        inside.open();
        await held.promise;
        return add(state);
      });
      await inside.promise;
      const closing = runtime.close();
      kept.open();
      await rejection(left, "SCOPE_STOPPED");
      await rejection(a.refresh(), "SCOPE_STOPPED");
      await rejection(a.delete(), "SCOPE_STOPPED");
      await rejection(runtime.open("user", "c"), "RUNTIME_CLOSED");
      await rejection(runtime.checkpoints("r"), "RUNTIME_CLOSED");
      held.open();
      expect(await working).toBe(true);
      await closing;
    });

    it("waits no longer than `drainMs`, and says how much it left", async () => {
      const clock = simulatedClock(1);
      const world = new World(stores, clock);
      const runtime = world.runtime();
      const [a] = await openTwo(runtime);
      const never = new Promise<never>(() => undefined);
      const hung = a.atomicState(() => never);
      const queued = a.atomicState(add);
      const inside = gate();
      void runtime.execute({ userId: "u" }, () => {
        inside.open();
        return never;
      });
      await inside.promise;
      let isClosed = false;
      const closing = runtime.close({ drainMs: 2_000 }).then(() => (isClosed = true));
      await clock.advance(1_900);
      await settled();
      expect(isClosed).toBe(false);
      const refused = [rejection(hung, "SCOPE_STOPPED"), rejection(queued, "SCOPE_STOPPED")];
      await clock.advance(200);
      await Promise.all([...refused, closing]);
      expect(world.logger.lines).toEqual([
        { message: "calls were cut off by the end of the runtime", fields: { left: 2 } },
      ]);
    });

    it("by default waits as long as a mutation may take", async () => {
      const clock = simulatedClock(1);
      const runtime = new World(stores, clock).runtime({ mutationTimeoutMs: 500 });
      const [a] = await openTwo(runtime);
      void runtime.execute({ userId: "u" }, () => new Promise(() => undefined));
      await settled();
      const closing = runtime.close();
      const answer = a
        .atomicState(add)
        .catch((error: unknown) => Reflect.get(Object(error), "code"));
      expect(await answer).toBe("SCOPE_STOPPED");
      await clock.advance(600);
      await closing;
    });

    it("does not wait for the call it is made in", async () => {
      const world = new World(stores);
      const one = world.runtime();
      await one.execute({ userId: "u" }, () => one.close({ drainMs: Infinity }));
      const two = world.runtime();
      const [a] = await openTwo(two);
      const work = a.atomicState(async (state) => {
        await two.close({ drainMs: Infinity });
        return add(state);
      });
      await rejection(work, "SCOPE_STOPPED");
    });

    it("refuses a `drainMs` that is none, and goes on", async () => {
      const runtime = new World(stores).runtime();
      await expect(runtime.close({ drainMs: Number.NaN })).rejects.toBeInstanceOf(RangeError);
      const misspelt = { drain: 1 } as object;
      await expect(runtime.close(misspelt)).rejects.toBeInstanceOf(TypeError);
      expect((await runtime.open("user", "u")).version).toBe(0);
      await runtime.close({ drainMs: undefined });
    });

    it("stores what a slow store has not answered yet", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const held = gate();
      const runtime = world.runtime({ store });
      const [a, b] = await openTwo(runtime);
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      const saved = [a.atomicState(add), b.atomicState(async (state) => soon(add(state)))];
      await settled();
      saved.push(a.atomicState(add));
      const closing = runtime.close({ drainMs: Infinity });
      await settled();
      held.open();
      await closing;
      expect(await Promise.all(saved)).toEqual([true, true, true]);
      expect((await world.runtime().open<Counter>("user", "a")).state).toEqual({ n: 2 });
    });
  });
}
