/** Listing scopes, and hearing of all their changes. */
import { describe, expect, it } from "vitest";
import { FEED_BUFFER_MAX } from "../../actors/scope/change-stream.ts";
import type { ListOptions } from "../../src/runtime/list.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection } from "../support/waiting.ts";

async function increment(runtime: Runtime, type: string, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map(async (id) => (await runtime.open<Counter>(type, id)).atomicState(add)),
  );
}

/** All ids, page by page. */
async function pages(runtime: Runtime, options: ListOptions): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await runtime.list({ ...options, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.ids);
    expect(page.ids.length).toBeLessThanOrEqual(options.limit ?? 100);
    if (page.cursor !== undefined) expect(page.ids).toHaveLength(options.limit ?? 100);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return ids;
}

/** Claims about `list`. */
export function listCases(stores: RuntimeStores): void {
  describe("list", () => {
    it("gives what is stored, resident or not, and what is only in memory", async () => {
      const world = new World(stores);
      const first = world.runtime();
      await increment(first, "user", ["b", "a"]);
      await increment(first, "org", ["o"]);
      await first.close();
      const runtime = world.runtime();
      await increment(runtime, "temp", ["t"]);
      await increment(runtime, "user", ["c"]);
      expect(await runtime.list()).toEqual({
        scopes: [
          { type: "org", id: "o" },
          { type: "temp", id: "t" },
          { type: "user", id: "a" },
          { type: "user", id: "b" },
          { type: "user", id: "c" },
        ],
        ids: ["o", "t", "a", "b", "c"],
      });
      expect((await runtime.list({ type: "user" })).ids).toEqual(["a", "b", "c"]);
      await expect(runtime.list({ type: "nope" })).rejects.toThrow(/unknown scope type "nope"/);
    });

    it("lists a checkpoint that is not stored yet, and not one that is only not deleted yet", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const kept = await runtime.open<Counter>("draft", "kept");
      const gone = await runtime.open<Counter>("draft", "gone");
      await gone.atomicState(add);
      await gone.flush();
      const held = gate();
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      await kept.atomicState(add);
      await gone.delete();
      const { ids } = await runtime.list({ type: "draft", limit: 1 });
      held.open();
      expect(ids).toEqual(["kept"]);
    });

    it("does not list what was deleted or never written", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      for (const type of ["user", "temp", "draft"]) {
        await increment(runtime, type, ["a", "b"]);
        await runtime.open(type, "c");
        expect(await (await runtime.open(type, "a")).delete()).toBe(true);
        expect((await runtime.list({ type })).ids).toEqual(["b"]);
      }
    });

    it("takes a prefix as it is, and pages without a gap or a repeat", async () => {
      const runtime = new World(stores).runtime();
      const ids = ["*", "*a", "%", "%25", "_x", "ax", "a", "a/b", "a/", "A", "é", "\ud800", "a_b"];
      await increment(runtime, "user", ids);
      await increment(runtime, "temp", ids);
      for (const prefix of ["*", "%", "_", "a", "a/", "é", "\ud800", "nope", ""]) {
        const wanted = ids.filter((id) => id.startsWith(prefix)).toSorted();
        for (const type of ["user", "temp"])
          for (const limit of [1, 2, 100])
            expect(await pages(runtime, { type, prefix, limit })).toEqual(wanted);
      }
      const all = [...ids.toSorted(), ...ids.toSorted()];
      expect(await pages(runtime, { limit: 3 })).toEqual(all);
      expect(await pages(runtime, { limit: all.length })).toEqual(all);
    });

    it("pages on while scopes come and go", async () => {
      const runtime = new World(stores).runtime();
      const ids = Array.from({ length: 40 }, (_, at) => `k${String(at).padStart(2, "0")}`);
      await increment(runtime, "user", ids);
      const first = await runtime.list({ type: "user", limit: 10 });
      await (await runtime.open("user", "k09")).delete();
      await (await runtime.open("user", "k20")).delete();
      await increment(runtime, "user", ["k05b", "k30b"]);
      const cursor = first.cursor ?? "";
      const rest = await runtime.list({ type: "user", limit: 100, cursor });
      const left = [...ids.slice(10).filter((id) => id !== "k20"), "k30b"].toSorted();
      expect(rest.ids).toEqual(left);
    });

    it("refuses what it cannot do", async () => {
      const runtime = new World(stores).runtime();
      await expect(runtime.list({ limit: 0 })).rejects.toBeInstanceOf(RangeError);
      await expect(runtime.list({ limit: Number.NaN })).rejects.toBeInstanceOf(RangeError);
      await expect(runtime.list({ prefix: "a" })).rejects.toBeInstanceOf(TypeError);
      await runtime.close();
      await rejection(runtime.list(), "RUNTIME_CLOSED");
    });
  });
}

/** Takes what a reader has until it would wait. */
async function drain<T>(reader: AsyncIterable<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  const iterator = reader[Symbol.asyncIterator]();
  while (items.length < count) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    items.push(value);
  }
  return items;
}

/** Claims about `subscribe` and `changes`. */
export function changeCases(stores: RuntimeStores): void {
  describe("changes of all scopes", () => {
    it("a listener that throws, and a logger that does, keep no change from the next", async () => {
      const fail = (): never => {
        throw new Error("log");
      };
      const runtime = new World(stores).runtime({ logger: { warn: fail, error: fail } });
      const observed: number[] = [];
      runtime.subscribe(() => {
        throw new Error("listener");
      });
      runtime.subscribe(({ version }) => observed.push(version));
      const scope = await runtime.open<Counter>("user", "a");
      await scope.atomicState(add);
      await scope.atomicState(add);
      expect(observed).toEqual([1, 2]);
    });

    it("reach every listener and reader once, per scope in order", async () => {
      const runtime = new World(stores).runtime();
      const observed: string[] = [];
      const stop = runtime.subscribe(({ scope, version }) =>
        observed.push(`${scope.id} ${version}`),
      );
      const reader = runtime.changes();
      for (let round = 0; round < 3; round += 1)
        for (const type of ["user", "temp", "draft"]) await increment(runtime, type, [type]);
      const items = await drain(reader, 9);
      expect(
        items.map((item) => item.type !== "resync" && `${item.scope.id} ${item.version}`),
      ).toEqual(observed);
      for (const type of ["user", "temp", "draft"])
        expect(observed.filter((line) => line.startsWith(type))).toEqual(
          [1, 2, 3].map((version) => `${type} ${version}`),
        );
      stop();
      await increment(runtime, "user", ["user"]);
      expect(observed).toHaveLength(9);
    });

    it("give a slow reader what is buffered, one resync for any number of scopes, then all", async () => {
      const runtime = new World(stores).runtime();
      const reader = runtime.changes();
      const ids = Array.from({ length: FEED_BUFFER_MAX + 500 }, (_, at) => `s${at}`);
      await increment(runtime, "temp", ids);
      const buffered = await drain(reader, FEED_BUFFER_MAX);
      expect(buffered.map((item) => item.type !== "resync" && item.scope.id)).toEqual(
        ids.slice(0, FEED_BUFFER_MAX),
      );
      await increment(runtime, "temp", ["unread"]); // The resync is still to be read: part of it.
      expect(await drain(reader, 1)).toEqual([{ type: "resync" }]);
      await increment(runtime, "temp", ["s0", "unread"]);
      expect(await drain(reader, 2)).toMatchObject([
        { type: "state_change", scope: { id: "s0" }, version: 2 },
        { type: "state_change", scope: { id: "unread" }, version: 2 },
      ]);
    });

    it("begin on request with a resync, then every change, or with a scope's state", async () => {
      const runtime = new World(stores).runtime();
      await increment(runtime, "user", ["a"]);
      const items = runtime.changes({ snapshot: true });
      const scope = await runtime.open<Counter>("user", "a");
      const ofScope = scope.changes({ snapshot: true });
      await increment(runtime, "user", ["a"]);
      const change = { type: "state_change", scope: { id: "a" }, version: 2 };
      expect(await drain(items, 2)).toMatchObject([{ type: "resync" }, change]);
      const [snapshot, next] = await drain(ofScope, 2);
      expect(snapshot).toMatchObject({ type: "snapshot", version: 1, state: { n: 1 } });
      expect(next).toMatchObject(change);
      expect(() => runtime.changes({ since: 1 } as object)).toThrow(TypeError);
    });

    it("stop for a subscriber that is disposed of, twice, too", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("user", "a");
      const seen: string[] = [];
      {
        using ofAll = runtime.subscribe(() => seen.push("all"));
        using ofOne = scope.subscribe(() => seen.push("one"));
        await increment(runtime, "user", ["a"]);
        for (const remove of [ofAll, ofOne, ofOne]) remove();
      }
      await increment(runtime, "user", ["a"]);
      expect(seen.toSorted()).toEqual(["all", "one"]);
    });

    it("end when the runtime closes, and at once when it is closed", async () => {
      const runtime = new World(stores).runtime();
      const waiting = drain(runtime.changes(), 5);
      await increment(runtime, "user", ["a"]);
      await runtime.close();
      expect(await waiting).toMatchObject([{ version: 1 }]);
      expect(await drain(runtime.changes(), 1)).toEqual([]);
    });

    it("of one scope end when its handle stops, which may be asked again", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("user", "a");
      const waiting = drain(scope.changes(), 5);
      await scope.atomicState(add);
      await scope.stop();
      expect(await waiting).toMatchObject([{ version: 1 }]);
      const again = drain(scope.changes(), 5);
      await scope.atomicState(add);
      await runtime.close();
      expect(await again).toMatchObject([{ version: 2 }]);
      expect(await drain(scope.changes(), 1)).toEqual([]);
    });
  });
}
