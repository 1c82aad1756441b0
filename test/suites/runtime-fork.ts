/** Forks: new scopes with the state of another one. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { rejection } from "../support/waiting.ts";
import { type Counter, World, type RuntimeStores } from "./runtime-world.ts";

const KINDS = {
  saved: defineKind<Counter>({ initial: {} }),
  behind: defineKind<Counter>({ initial: {}, durability: "checkpoint" }),
  live: defineKind<Counter>({ initial: {}, durability: "volatile" }),
};
const DURABILITIES = ["saved", "behind", "live"] as const;

/** Claims about scopes that are made without being read. */
export function createCases(stores: RuntimeStores): void {
  describe("a created scope", () => {
    it.each(DURABILITIES)("has the state, and its own life (%s)", async (type) => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const scope = await runtime.create(type, "a", { n: 1 });
      expect([scope.identity, scope.version, scope.state]).toEqual([
        { type, id: "a" },
        1,
        { n: 1 },
      ]);
      await scope.incState({ n: 1 });
      expect((await runtime.open(type, "a")).state).toEqual({ n: 2 });
      await rejection(runtime.create(type, "a", {}), "SCOPE_EXISTS");
      await scope.delete();
      expect((await runtime.create(type, "a", {})).version).toBe(4);
    });

    it("is refused where another runtime made it, which stays, and can be opened", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS });
      await first.create("saved", "a", { n: 1 });
      const error = await rejection(second.create("saved", "a", { n: 2 }), "SCOPE_EXISTS");
      expect(error["scope"]).toEqual({ type: "saved", id: "a" });
      expect((await second.open("saved", "a")).state).toEqual({ n: 1 });
      await (await first.open("saved", "a")).delete();
      await second.create("saved", "a", { n: 3 });
      expect(await first.read("saved", ["a"])).toMatchObject([{ state: { n: 3 } }]);
    });

    it("is made once of several at once, and opened by who comes meanwhile", async () => {
      const pair = new World(stores).pair({ kinds: KINDS });
      const made = [1, 2, 3, 4].map((n) => (pair[n % 2] ?? pair[0]).create("saved", "a", { n }));
      const opened = pair.map((runtime) => runtime.open("saved", "a"));
      const ends = await Promise.allSettled(made);
      const won = ends.filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const each of ends)
        if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "SCOPE_EXISTS" });
      const n = 1 + ends.findIndex(({ status }) => status === "fulfilled");
      for (const scope of await Promise.all(opened)) {
        await scope.incState({ n: 10 });
        expect(scope.state).toMatchObject({ n: expect.any(Number) });
      }
      expect(await pair[0].read("saved", ["a"])).toMatchObject([
        { version: 3, state: { n: n + 20 } },
      ]);
    });

    it("leaves nothing when its state is refused; the call that opens it meanwhile reads", async () => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const made = runtime.create("saved", "a", { n: Object(() => 1) });
      const opened = runtime.open("saved", "a");
      await rejection(made, "STATE_NOT_SERIALIZABLE");
      expect([(await opened).version, (await opened).state]).toEqual([0, {}]);
      expect(await rejection(runtime.create("saved", "", {}))).toBeInstanceOf(TypeError);
      expect(await rejection(runtime.create("sequencer" as "saved", "a", {}))).toBeInstanceOf(
        TypeError,
      );
      expect(await runtime.read("saved", ["a"])).toEqual([undefined]);
      expect((await runtime.create("saved", "a", { n: 1 })).version).toBe(1);
    });
  });
}

/** Claims about forks. */
export function forkCases(stores: RuntimeStores): void {
  describe("a fork", () => {
    it.each(DURABILITIES)("has the current state, and its own life (%s)", async (type) => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const scope = await runtime.open<Counter>(type, "a");
      await scope.incState({ n: 1 }, { once: "k" });
      const fork = await runtime.fork(scope, "b");
      expect(fork.identity).toEqual({ type, id: "b" });
      expect([fork.version, fork.state]).toEqual([1, { n: 1 }]);
      await fork.incState({ n: 1 }, { once: "k" }); // The keys stay with the other scope.
      await scope.incState({ n: 5 });
      expect([scope.state, fork.state]).toEqual([{ n: 6 }, { n: 2 }]);
      expect(await runtime.fork(scope, "c")).toMatchObject({ state: { n: 6 } });
    });

    it.each(DURABILITIES)("is refused where a scope exists, which stays (%s)", async (type) => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const scope = await runtime.open<Counter>(type, "a");
      const other = await runtime.open<Counter>(type, "b");
      await other.setState({ n: 7 });
      const error = await rejection(runtime.fork(scope, "b"), "SCOPE_EXISTS");
      expect(error["scope"]).toEqual({ type, id: "b" });
      await rejection(runtime.fork(scope, "b"), "SCOPE_EXISTS");
      expect([other.version, other.state]).toEqual([1, { n: 7 }]);
      await rejection(runtime.fork(other, "b"), "SCOPE_EXISTS");
      await other.delete();
      expect((await runtime.fork(scope, "b")).version).toBe(3);
    });

    it("is stored at once, also with the initial state, for other runtimes", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS });
      for (const type of ["saved", "behind"] as const) {
        const scope = await first.open<Counter>(type, "a");
        await first.fork(scope, "b");
        expect(await second.read<Counter>(type, ["b"])).toEqual([{ version: 1, state: {} }]);
        const other = await second.open<Counter>(type, "a");
        await rejection(second.fork(other, "b"), "SCOPE_EXISTS");
      }
    });

    it.each(["saved", "behind"] as const)("is made once of several at once (%s)", async (type) => {
      const pair = new World(stores).pair({ kinds: KINDS });
      const make = async (runtime: Runtime, n: number) => {
        const scope = await runtime.open<Counter>(type, `source-${n}`);
        await scope.setState({ n });
        return runtime.fork(scope, "fork");
      };
      const made = await Promise.allSettled(
        [1, 2, 3, 4].map((n) => make(pair[n % 2] ?? pair[0], n)),
      );
      const won = made.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      expect(won).toHaveLength(1);
      for (const each of made)
        if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "SCOPE_EXISTS" });
      const [stored] = await pair[0].read<Counter>(type, ["fork"]);
      expect(stored?.state).toEqual(won[0]?.state);
    });

    it("of a session has its owner", async () => {
      const runtime = new World(stores).runtime();
      const session = await runtime.open("session", "s-1", { userId: "ann" });
      await session.patchState({ topic: "tea" });
      const fork = await runtime.fork(session, "s-2");
      expect(fork.identity).toMatchObject({ id: "s-2", userId: "ann" });
      await rejection(runtime.open("session", "s-2", { userId: "bob" }), "BINDING_MISMATCH");
    });

    it("without a history gives no past state, and refuses other arguments", async () => {
      const world = new World(stores);
      const [runtime, other] = world.pair({ kinds: KINDS });
      const scope = await runtime.open<Counter>("saved", "a");
      await scope.incState({ n: 1 });
      await scope.incState({ n: 1 });
      await rejection(runtime.fork(scope, "b", { at: 1 }), "HISTORY_GONE");
      expect(await runtime.fork(scope, "b", { at: 2 })).toMatchObject({ state: { n: 2 } });
      expect(await rejection(other.fork(scope, "c"))).toBeInstanceOf(TypeError);
      expect(await rejection(runtime.fork(scope, ""))).toBeInstanceOf(TypeError);
      const unknown = { version: 1 } as object;
      expect(await rejection(runtime.fork(scope, "c", unknown))).toBeInstanceOf(TypeError);
      expect(await runtime.read("saved", ["c"])).toEqual([undefined]);
    });
  });
}
