/** What deletes leave and for how long, and what `erase` and `deleteAll` remove. */
import { describe, expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { encodeKey } from "../../src/runtime/scope-key.ts";
import { bindingKey } from "../../src/runtime/session/binding.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { rejection, until } from "../support/waiting.ts";

const LARGE = "x".repeat(20_000);
/** A store on a server keeps a tombstone for some seconds at least. */
const ROUNDS = 20_000;
const keyOf = (type: string, id: string): string => encodeKey("holdfast", type, id);
const STRICT = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "object" && value !== null && "old" in value
        ? { issues: [{ message: "too old" }] }
        : { value: value as Counter },
  },
};

async function untilForgotten(store: StateStore, key: string): Promise<void> {
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
      isOver = (await store.load([key]))[0] === undefined;
    }
  };
  const looking = look();
  await until(() => isOver, ROUNDS).finally(() => (isOver = true));
  await looking;
}

/** Lets the time of retries pass while `work` is under way. */
async function inTime<T>(clock: SimulatedClock, work: Promise<T>): Promise<T> {
  const progress = { isOver: false };
  const over = (): void => void (progress.isOver = true);
  work.then(over, over);
  while (!progress.isOver) {
    await clock.advance(5);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
  return work;
}

function heardBy(runtime: Runtime): string[] {
  const observed: string[] = [];
  runtime.subscribe(({ operation, scope, version }) => {
    observed.push(`${operation} ${scope.type}/${scope.id} ${version}`);
  });
  return observed;
}

/** Claims about what is left of scopes. */
export function eraseCases(stores: RuntimeStores & { readonly watched?: boolean }): void {
  describe("erase", () => {
    it("leaves nothing of a session in memory, and lets another user have it", async () => {
      const world = new World(stores);
      const store = world.store();
      const runtime = world.runtime({ store });
      const observed = heardBy(runtime);
      const scope = await runtime.open<Counter>("session", "s", { userId: "ann" });
      await scope.setState({ n: 1, text: LARGE });
      await scope.patchState({ n: 2 });
      expect(await runtime.erase({ type: "session", id: "s" })).toBe(true);
      expect([scope.state, scope.version]).toEqual([{}, 0]);
      expect(observed).toEqual(["set session/s 1", "patch session/s 2", "delete session/s 3"]);
      const keys = [keyOf("session", "s"), bindingKey("holdfast", "s")];
      expect(await store.load(keys)).toEqual([undefined, undefined]);
      expect(await runtime.erase({ type: "session", id: "s" })).toBe(false);
      expect((await runtime.list({ type: "session" })).ids).toEqual([]);
      const hers = await runtime.open<Counter>("session", "s", { userId: "eve" });
      await hers.setState({ n: 7 });
      expect([hers.version, hers.identity.userId]).toEqual([1, "eve"]);
      await rejection(runtime.open("session", "s", { userId: "ann" }), "BINDING_MISMATCH");
    });

    it.each(["user", "draft", "temp"])("a %s scope goes on from version 0", async (type) => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>(type, "a");
      await scope.setState({ n: 1 });
      await scope.incState({ n: 1 });
      const [erased, later] = await Promise.all([
        runtime.erase({ type, id: "a" }),
        scope.incState({ n: 5 }),
      ]);
      expect([erased, later, scope.state, scope.version]).toEqual([true, true, { n: 5 }, 1]);
      await scope.flush();
      expect(world.logger.lines).toEqual([]);
    });

    it("needs no state that its schema accepts, and no scope in memory", async () => {
      const world = new World(stores);
      const store = world.store();
      const runtime = world.runtime({ store, kinds: { strict: defineKind({ schema: STRICT }) } });
      const key = keyOf("strict", "a");
      await store.commit([{ key, expectedVersion: 0, version: 3, state: { old: true } }]);
      await rejection(runtime.open("strict", "a"), "STATE_INVALID");
      expect(await runtime.erase({ type: "strict", id: "a" })).toBe(true);
      expect(await store.load([key])).toEqual([undefined]);
      expect((await runtime.open("strict", "a")).version).toBe(0);
    });

    it("is noticed by another runtime that holds the scope, as no damage", async () => {
      const world = new World(stores);
      const [here, there] = world.pair();
      const scope = await there.open<Counter>("user", "a");
      await scope.setState({ n: 1 });
      expect(await here.erase({ type: "user", id: "a" })).toBe(true);
      await until(() => scope.version === 0);
      expect(scope.state).toEqual({});
      await scope.incState({ n: 5 });
      const other = await here.open<Counter>("user", "a");
      expect([other.state, other.version]).toEqual([{ n: 5 }, 1]);
      expect(world.logger.lines).toEqual([]);
    });

    it("refuses what names no scope", async () => {
      const runtime = new World(stores).runtime();
      const bad: unknown[] = [undefined, {}, { type: "user" }, { type: "no", id: "a" }];
      bad.push({ type: "user", id: 1 }, { type: "user", id: "" }, { type: "user", id: "a", x: 1 });
      for (const options of bad)
        await expect(runtime.erase(options as never)).rejects.toThrow(TypeError);
      for (const options of [undefined, {}, { type: "no" }, { type: "user", prefix: 1 }])
        await expect(runtime.deleteAll(options as never)).rejects.toThrow(TypeError);
    });
  });

  if (stores.watched === true)
    it("listeners of another runtime hear of an erased record, and of the one made anew", async () => {
      const world = new World(stores);
      const [here, store] = [world.runtime(), world.store()];
      const observed = heardBy(world.runtime({ store }));
      const lost = { times: 0 };
      const stop = await store.watch?.(
        () => undefined,
        () => void (lost.times += 1),
      );
      /** Resolves to false when the store said meanwhile that reports may be lost (T8). */
      const isHeard = async (id: string): Promise<boolean> => {
        const before = lost.times;
        const heard = async (version: number): Promise<void> => {
          const last = `refresh user/${id} ${version}`;
          await until(() => observed.at(-1) === last || lost.times > before);
        };
        const scope = await here.open<Counter>("user", id);
        for (let n = 1; observed.at(-1)?.includes(`/${id} `) !== true; n += 1) {
          await scope.setState({ n }); // Those before the other watches are not heard.
          await new Promise((resolve) => {
            setTimeout(resolve, 100);
          });
        }
        const { version } = scope;
        await heard(version);
        await here.erase({ type: "user", id });
        await heard(version + 1);
        await scope.setState({ n: 9 });
        await heard(1);
        await scope.setState({ n: 10 });
        await heard(2);
        return lost.times === before;
      };
      for (let id = "a"; !(await isHeard(id));) id += "a";
      await stop?.();
    });

  describe("deleteAll", () => {
    it("deletes what begins with the prefix, in memory or not, in batches", async () => {
      const world = new World(stores);
      const store = world.store();
      const runtime = world.runtime({ store });
      const ids = Array.from({ length: 230 }, (_, n) => `a${n}`);
      const write = (id: string) => ({
        key: keyOf("user", id),
        expectedVersion: 0,
        version: 1,
        state: { n: 1 },
      });
      await store.commit([...ids, "b"].map(write));
      const open = await runtime.open<Counter>("user", "a7");
      const fresh = await runtime.open<Counter>("draft", "a");
      await fresh.setState({ n: 1 });
      const observed = heardBy(runtime);
      expect(await runtime.deleteAll({ type: "user", prefix: "a" })).toBe(230);
      expect((await runtime.list({ type: "user" })).ids).toEqual(["b"]);
      expect([open.state, open.version]).toEqual([{}, 2]);
      expect(observed.length).toBe(230);
      expect(observed).toContain("delete user/a7 2");
      expect(await runtime.deleteAll({ type: "user", prefix: "a" })).toBe(0);
      expect(await runtime.deleteAll({ type: "user" })).toBe(1);
      expect(await runtime.deleteAll({ type: "draft" })).toBe(1);
    });

    it("leaves whose a session is", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("session", "s", { userId: "ann" });
      await scope.setState({ n: 1 });
      expect(await runtime.deleteAll({ type: "session" })).toBe(1);
      await rejection(runtime.open("session", "s", { userId: "eve" }), "BINDING_MISMATCH");
    });
  });

  describe("a tombstone that is over", () => {
    it.each(["commit", "checkpoint"] as const)(
      "is no damage to a %s scope that holds the last version",
      async (durability) => {
        const clock = simulatedClock(1_000_000);
        const world = new World(stores, clock);
        const store = world.store();
        const kinds = { brief: defineKind({ durability, tombstoneMs: 1 }) };
        const runtime = world.runtime({ store, kinds });
        const scope = await runtime.open<Counter>("brief", "a");
        await scope.setState({ n: 1 });
        await scope.delete();
        await scope.flush();
        await clock.advance(10);
        await untilForgotten(store, keyOf("brief", "a"));
        const changed = await inTime(clock, scope.incState({ n: 5 }));
        await inTime(clock, scope.flush());
        expect([changed, scope.state]).toEqual([true, { n: 5 }]);
        const [record] = await store.load([keyOf("brief", "a")]);
        expect(record?.state).toBeDefined();
        expect(world.logger.lines).toEqual([]);
      },
    );
  });

  it("the kind says how long a tombstone is kept, and else the runtime", async () => {
    const world = new World(stores);
    const store = world.store();
    const kept: (number | undefined)[] = [];
    const spied: StateStore = {
      name: "spied",
      supports: { ...store.supports, watch: false },
      load: (keys) => store.load(keys),
      commit: (writes, options) => {
        kept.push(...writes.map(({ tombstoneMs }) => tombstoneMs));
        return store.commit(writes, options);
      },
      list: (query) => store.list(query),
      close: () => store.close(),
    };
    const kinds = { own: defineKind({ tombstoneMs: 10 }), other: defineKind() };
    const runtime = world.runtime({ store: spied, kinds, tombstoneMs: 20 });
    for (const type of ["own", "other"]) {
      const scope = await runtime.open<Counter>(type, "a");
      await scope.setState({ n: 1 });
      await scope.delete();
    }
    expect(kept).toEqual([10, 10, 20, 20]);
    for (const tombstoneMs of [-1, Number.NaN, "1" as never]) {
      expect(() => defineKind({ tombstoneMs })).toThrow(RangeError);
      expect(() => world.runtime({ tombstoneMs })).toThrow(RangeError);
    }
  });

  it("requests and sessions made up for one call end by themselves", async () => {
    const world = new World(stores);
    const store = world.store();
    const runtime = world.runtime({ store });
    const ids = await runtime.execute({ userId: "ann" }, async (context) => {
      await context.request.patchState({ n: 1 });
      await context.session.patchState({ n: 1 });
      await context.user.patchState({ n: 1 });
      return [context.requestId, context.sessionId];
    });
    const [request = "", session = ""] = ids;
    const keys = [keyOf("request", request), keyOf("session", session), keyOf("user", "ann")];
    const left = (await store.load(keys)).map((record) => record?.leftMs ?? Infinity);
    const dayMs = 86_400_000;
    expect(left.map((ms) => Math.ceil(ms / dayMs))).toEqual([7, 1, Infinity]);
  });
}
