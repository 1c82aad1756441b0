/** Mutations with a key: each takes effect at most once in its scope. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { rejection } from "../support/waiting.ts";
import { steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";

interface Bag extends Counter {
  keys?: Record<string, number>;
}

const KINDS = {
  ledger: defineKind({ durability: "checkpoint" as const }),
  few: defineKind({ onceKept: 2 }),
  local: defineKind({ answers: "local" }),
};
const TYPES = ["user", "ledger", "temp", "local"];
const once = "key";

/** Adds one and returns the number. */
function next(draft: Counter): number {
  draft.n = (draft.n ?? 0) + 1;
  return draft.n;
}

/** Every call that changes a scope, each with the same key. */
function calls(scope: Scope<Bag>): Record<string, () => Promise<unknown>> {
  return {
    patch: () => scope.patchState({ text: `${scope.version}` }, { once }),
    field: () => scope.patchState("n", (n = 0) => n + 1, { once }),
    set: () => scope.setState({ n: scope.version + 1 }, { once }),
    increment: () => scope.incState({ n: 1 }, { once }),
    push: () => scope.pushState("list", 1, { once }),
    append: () => scope.appendState("list", [1, 2], { once }),
    key: () => scope.setStateRecord("keys", "a", scope.version, { once }),
    atomic: () => scope.atomicState(({ n = 0 }) => ({ n: n + 1 }), { once }),
    update: () => scope.update((draft) => void next(draft), { once }),
    transact: () => scope.transact(next, { once }),
  };
}

function open(runtime: Runtime, type: string, id = "a"): Promise<Scope<Bag>> {
  return runtime.open<Bag>(type, id);
}

/** Claims about `once`. */
export function onceCases(stores: RuntimeStores): void {
  describe("once", () => {
    it.each(TYPES)("lets every call on a scope of type %s take effect once", async (type) => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      for (const name of Object.keys(calls(await open(runtime, type)))) {
        const scope = await open(runtime, type, name);
        const call = calls(scope)[name];
        if (call === undefined) throw new Error("a call");
        // In one batch, one after the other, and with other changes between.
        const answers = await Promise.all([call(), call()]);
        const { state, version } = scope;
        answers.push(await call());
        expect([name, scope.state, scope.version]).toEqual([name, state, version]);
        await scope.pushState("list", 9);
        answers.push(await call());
        expect(scope.version).toBe(version + 1);
        const answer = name === "transact" ? 1 : true;
        expect(answers).toEqual([answer, answer, answer, answer]);
      }
    });

    it.each(["user", "ledger", "local"])("holds after a restart for type %s", async (type) => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await open(runtime, type);
      expect(await scope.transact((draft) => ({ n: next(draft), at: draft }), { once })).toEqual({
        n: 1,
        at: { n: 1 },
      });
      await runtime.close();
      const again = await open(world.runtime({ kinds: KINDS }), type);
      expect(again.state).toEqual({ n: 1 });
      expect(await again.transact(() => "other", { once })).toEqual({ n: 1, at: { n: 1 } });
      await again.setState({ n: 7 });
      expect(await again.transact(() => "other", { once })).toEqual({ n: 1, at: { n: 1 } });
      expect(again.state).toEqual({ n: 7 });
    });

    it("holds for another runtime with an older copy, and for two at once", async () => {
      const pair = new World(stores).pair({ watch: false, kinds: KINDS, cas: { baseDelayMs: 1 } });
      for (const type of ["user", "local", "ledger"]) {
        const [one, other] = await Promise.all(pair.map((runtime) => open(runtime, type)));
        if (one === undefined || other === undefined) throw new Error("two scopes");
        expect(await one.transact(next, { once })).toBe(1);
        await one.flush();
        const repeat = await other.transact(next, { once });
        await other.flush();
        expect([other.state.n, other.version]).toEqual([1, other.version]);
        if (type !== "ledger") expect([repeat, other.version]).toEqual([1, 1]);
        const both = [one, other].map((scope) => scope.incState({ n: 10 }, { once: "webhook-2" }));
        expect(await Promise.all(both)).toEqual([true, true]);
        await Promise.all([one.flush(), other.flush()]);
        await Promise.all([one.refresh(), other.refresh()]);
        expect([one.state.n, other.state.n]).toEqual([11, 11]);
      }
    });

    it("ends with delete, also of another runtime", async () => {
      const pair = new World(stores).pair({ watch: false, kinds: KINDS });
      for (const type of ["user", "local"]) {
        const [one, other] = await Promise.all(pair.map((runtime) => open(runtime, type)));
        if (one === undefined || other === undefined) throw new Error("two scopes");
        expect(await one.incState({ n: 1 }, { once })).toBe(true);
        await other.refresh();
        await one.delete();
        expect(await other.incState({ n: 5 }, { once })).toBe(true);
        expect(other.state.n).toBe(5);
        await other.delete();
        expect(await other.transact(next, { once })).toBe(1);
      }
      const temp = await open(pair[0], "temp");
      await temp.incState({ n: 1 }, { once });
      await temp.delete();
      expect(await temp.transact(next, { once })).toBe(1);
    });

    it("ends with the time to live", async (test) => {
      const clock = simulatedClock();
      const world = new World(stores, clock);
      if (stores.ownClock === true || !world.store().supports.ttl) return test.skip();
      const runtime = world.runtime({ kinds: { brief: defineKind({ ttlMs: 1_000 }) } });
      const scope = await open(runtime, "brief");
      expect(await scope.transact(next, { once })).toBe(1);
      await clock.advance(500);
      expect(await scope.transact(next, { once })).toBe(1);
      await clock.advance(1_000);
      expect(scope.state).toEqual({});
      expect(await scope.transact((draft) => next(draft) + 10, { once })).toBe(11);
      return undefined;
    });

    it("records no throw, no failed save and no false, and tries again", async () => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      for (const type of TYPES) {
        const scope = await open(runtime, type);
        const thrown = scope.transact(() => Promise.reject(new Error("mine")), { once });
        await expect(thrown).rejects.toThrow("mine");
        expect(await scope.patchState({}, { once })).toBe(false);
        expect(await scope.transact(() => false, { once })).toBe(false);
        const unstorable = scope.transact((draft) => (next(draft), () => 1), { once });
        await rejection(unstorable, "STATE_NOT_SERIALIZABLE");
        expect([scope.version, scope.state]).toEqual([0, {}]);
        expect(await scope.transact((draft) => void next(draft), { once })).toBeUndefined();
        expect(await scope.transact(next, { once })).toBeUndefined();
        expect(scope.state.n).toBe(1);
      }
    });

    it("records a result without a change, as a version with an empty event", async () => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      for (const type of TYPES) {
        const scope = await open(runtime, type);
        await scope.patchState({ n: 0 });
        const events: unknown[] = [];
        scope.subscribe(({ version, operation, patches }) =>
          events.push([version, operation, patches]),
        );
        const sell = (draft: Bag): string => ((draft.n ?? 0) > 0 ? `${(draft.n = 0)}` : "none");
        expect(await scope.transact(sell, { once })).toBe("none");
        await scope.patchState({ n: 1 });
        expect(await scope.transact(sell, { once })).toBe("none");
        expect(scope.state.n).toBe(1);
        expect(events.map((event) => (event as unknown[])[0])).toEqual([2, 3]);
        expect(events[0]).toEqual([2, "update", []]);
      }
    });

    it("keeps the last keys of a kind", async () => {
      const world = new World(stores);
      const runtime = world.runtime({ kinds: KINDS });
      const scope = await open(runtime, "few");
      for (const key of ["a", "b", "c"]) await scope.transact(next, { once: key });
      expect(await scope.transact(next, { once: "b" })).toBe(2);
      expect(await scope.transact(next, { once: "c" })).toBe(3);
      expect(await scope.transact(next, { once: "a" })).toBe(4);
      await runtime.close();
      const again = await open(world.runtime({ kinds: KINDS }), "few");
      expect(await again.transact(next, { once: "c" })).toBe(3);
      expect(await again.transact(next, { once: "b" })).toBe(5);
    });

    it("refuses a bad key and runs nothing", async () => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const scope = await open(runtime, "user");
      let runs = 0;
      const run = (key: unknown): Promise<unknown> =>
        scope.transact(() => (runs += 1), { once: key as string });
      await expect(run("")).rejects.toBeInstanceOf(RangeError);
      await expect(run("x".repeat(129))).rejects.toBeInstanceOf(RangeError);
      await expect(run(7)).rejects.toBeInstanceOf(TypeError);
      await expect(run(null)).rejects.toBeInstanceOf(TypeError);
      await expect(scope.delete({ once })).rejects.toBeInstanceOf(TypeError);
      expect([runs, scope.version]).toEqual([0, 0]);
      expect(await run("x".repeat(128))).toBe(1);
    });

    it("holds for several scopes, and for one through the runtime", async (test) => {
      const world = new World(stores);
      const [first, second] = world.pair({ watch: false, kinds: KINDS, cas: { baseDelayMs: 1 } });
      const alone = await open(first, "user", "alone");
      expect(await first.transact([alone], ([draft]) => next(draft), { once })).toBe(1);
      expect(await alone.transact(next, { once })).toBe(1);
      if (!world.store().supports.transactions) return test.skip();
      const openTwo = (runtime: Runtime): Promise<[Scope<Bag>, Scope<Bag>]> =>
        Promise.all([open(runtime, "user"), open(runtime, "org")]);
      const [mine, theirs] = [await openTwo(first), await openTwo(second)];
      const work = (runtime: Runtime, scopes: [Scope<Bag>, Scope<Bag>]): Promise<unknown> =>
        runtime.transact(scopes, ([a]) => ({ n: next(a) }), { once });
      expect(await Promise.all([work(first, mine), work(first, mine)])).toEqual([
        { n: 1 },
        { n: 1 },
      ]);
      expect(await work(second, theirs)).toEqual({ n: 1 });
      expect(mine.map(({ version }) => version)).toEqual([1, 1]); // The key of org is its change.
      const flags = [first, second].map((runtime, index) =>
        runtime.transaction(index === 0 ? mine : theirs, (a) => void next(a), { once: "two" }),
      );
      expect(await Promise.all(flags)).toEqual([true, true]);
      await mine[0].refresh();
      expect(mine[0].state.n).toBe(2);
      expect(await first.transaction(mine, () => undefined, { once: "none" })).toBe(false);
      expect(await first.transaction(mine, (a) => void next(a), { once: "none" })).toBe(true);
      const bad = first.transact(mine, ([a]) => next(a), { once: "" });
      await expect(bad).rejects.toBeInstanceOf(RangeError);
      return undefined;
    });

    it("keeps the key of several scopes where it is stored with the change", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.transactions) return test.skip();
      const types = ["ledger", "temp", "user"];
      const work = async (runtime: Runtime): Promise<unknown> => {
        const scopes = await Promise.all(types.map((type) => open(runtime, type)));
        return runtime.transact(scopes, (drafts) => drafts.map(next), { once });
      };
      const runtime = world.runtime({ kinds: KINDS });
      expect(await work(runtime)).toEqual([1, 1, 1]);
      await runtime.close();
      const again = world.runtime({ kinds: KINDS });
      expect(await work(again)).toEqual([1, 1, 1]);
      expect((await open(again, "user")).state.n).toBe(1);
      return undefined;
    });

    it("keeps the key of a change that is none when it is made again", async () => {
      const pair = new World(stores).pair({ watch: false, kinds: KINDS });
      const [mine, theirs] = [await open(pair[0], "ledger"), await open(pair[1], "ledger")];
      await mine.patchState({ n: 5 });
      expect(await theirs.patchState({ n: 5 }, { once })).toBe(true);
      for (const scope of [mine, theirs]) await scope.flush();
      await theirs.patchState({ n: 6 });
      expect([await theirs.patchState({ n: 5 }, { once }), theirs.state.n]).toEqual([true, 6]);
    });

    it("holds in each of several checkpoint scopes, written at once or not all", async () => {
      const world = new World(stores);
      const both = (runtime: Runtime): Promise<Scope<Bag>[]> =>
        Promise.all(["a", "b"].map((id) => open(runtime, "ledger", id)));
      const work = (runtime: Runtime, scopes: Scope<Bag>[]): Promise<unknown> =>
        runtime.transact(scopes, (drafts) => drafts.map(next), { once });
      const flush = (scopes: Scope<Bag>[]): Promise<unknown> =>
        Promise.all(scopes.map((scope) => scope.flush()));
      const pair = world.pair({ watch: false, kinds: KINDS, cas: { baseDelayMs: 1 } });
      const [mine, theirs] = [await both(pair[0]), await both(pair[1])];
      await Promise.all([work(pair[0], mine), work(pair[1], theirs)]);
      await Promise.all([flush(mine), flush(theirs)]);
      await Promise.all([...mine, ...theirs].map((scope) => scope.refresh()));
      expect([...mine, ...theirs].map(({ state }) => state.n)).toEqual([1, 1, 1, 1]);
      expect(await mine[1]?.incState({ n: 1 }, { once })).toBe(true); // A key of its own.

      const later = new World(stores);
      const store = steer(later.store());
      const ending = later.runtime({ store, kinds: KINDS });
      store.before = (operation, keys) => {
        if (operation === "commit" && keys.some((key) => key.endsWith("a")))
          throw new StoreUnavailableError("the record of the key was not written");
      };
      const before = await both(ending);
      expect(await work(ending, before)).toEqual([1, 1]);
      await before[0]?.flush().catch(() => undefined);
      await before[1]?.flush();
      const again = later.runtime({ kinds: KINDS });
      const after = await both(again);
      expect(after.map(({ state }) => state.n)).toEqual([undefined, 1]);
      expect(await work(again, after)).toEqual([1, 2]);
      expect(after.map(({ state }) => state.n)).toEqual([1, 1]);
    });
  });
}
