/** Reading many scopes: iterated and reversed lists, lists with states, `read`, `slice`. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ListOptions } from "../../src/runtime/list.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { encodeKey } from "../../src/runtime/scope-key.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { collect } from "../support/collect.ts";
import { isDeepFrozen } from "../support/frozen.ts";
import { gate, rejection } from "../support/waiting.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";

/** The states a full batch reads at once. */
const BATCH_MAX = 256;

async function fill(runtime: Runtime, type: string, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map(async (id) => (await runtime.open<Counter>(type, id)).patchState({ text: id })),
  );
}

/** Ids that sort as they are numbered. */
function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `k${String(at).padStart(4, "0")}`);
}

async function idsOf(runtime: Runtime, options: ListOptions): Promise<string[]> {
  return (await collect(runtime.list(options))).map(({ id }) => id);
}

/** Claims about iterated and reversed lists, and lists with states. */
export function listManyCases(stores: RuntimeStores): void {
  describe("list, iterated", () => {
    it("gives the entries of all pages, in either order, from a cursor on", async () => {
      const runtime = new World(stores).runtime();
      const ids = numbered(25);
      await fill(runtime, "user", ids.slice(0, 20));
      await fill(runtime, "draft", ids.slice(20)); // Perhaps only in memory.
      await fill(runtime, "temp", ids);
      for (const limit of [1, 7, 20, 100]) {
        expect(await idsOf(runtime, { type: "user", limit })).toEqual(ids.slice(0, 20));
        const all = await collect(runtime.list({ limit, reverse: true }));
        expect(all.map(({ type, id }) => `${type}/${id}`)).toEqual([
          ...ids
            .slice(0, 20)
            .map((id) => `user/${id}`)
            .toReversed(),
          ...ids.map((id) => `temp/${id}`).toReversed(),
          ...ids
            .slice(20)
            .map((id) => `draft/${id}`)
            .toReversed(),
        ]);
      }
      const page = await runtime.list({ type: "user", prefix: "k001", limit: 4, reverse: true });
      expect(page.ids).toEqual(["k0019", "k0018", "k0017", "k0016"]);
      const { cursor } = page;
      const rest = { type: "user", prefix: "k001", limit: 4, reverse: true, cursor };
      expect(await idsOf(runtime, rest)).toEqual(ids.slice(10, 16).toReversed());
    });

    it("reads a page when the one before is used up, and none after an early end", async () => {
      const world = new World(stores);
      const inner = world.store();
      let pages = 0;
      const list: typeof inner.list = (query) => {
        pages += 1;
        return inner.list(query);
      };
      const runtime = world.runtime({ store: { ...steer(inner), list } });
      await fill(runtime, "user", numbered(10));
      const seen: string[] = [];
      for await (const { id } of runtime.list({ type: "user", limit: 3 })) {
        seen.push(id);
        expect(pages).toBe(Math.ceil(seen.length / 3));
        if (seen.length === 5) break;
      }
      expect([seen.length, pages]).toEqual([5, 2]);
    });

    it("rejects at its first entry for bad options, and when the runtime is closed", async () => {
      const runtime = new World(stores).runtime();
      const bad: readonly [unknown, string][] = [
        [{ limit: 0 }, "RangeError"],
        [{ type: "nope" }, "TypeError"],
        [{ prefix: "a" }, "TypeError"],
        [{ type: "user", cursor: 1 }, "TypeError"],
        [{ type: "user", prefix: 1 }, "TypeError"],
        [{ order: "up" }, "TypeError"],
        [{ type: "sequencer", states: true }, "TypeError"],
      ];
      for (const [options, name] of bad) {
        const given = options as ListOptions; // Each of them is no such option.
        expect((await rejection(collect(runtime.list(given)))).name).toBe(name);
        expect((await rejection(runtime.list(given))).name).toBe(name);
      }
      await fill(runtime, "user", numbered(2));
      const entries = runtime.list({ type: "user", limit: 1 })[Symbol.asyncIterator]();
      expect((await entries.next()).value).toEqual({ type: "user", id: "k0000" });
      await runtime.close();
      await rejection(Promise.resolve(entries.next()), "RUNTIME_CLOSED");
      await rejection(collect(runtime.list()), "RUNTIME_CLOSED");
    });

    it("lists in reverse on a store that cannot", async () => {
      const world = new World(stores);
      const inner = world.store();
      const { reverse: _, ...supports } = inner.supports;
      const list: typeof inner.list = (query) => {
        if (query?.reverse !== undefined) throw new TypeError("it cannot");
        return inner.list(query);
      };
      const runtime = world.runtime({ store: { ...steer(inner), supports, list } });
      const ids = numbered(30);
      await fill(runtime, "user", ids);
      await (await runtime.open("user", "k0007")).delete();
      const left = ids.filter((id) => id !== "k0007").toReversed();
      for (const limit of [1, 4, 29, 100])
        expect(await idsOf(runtime, { type: "user", reverse: true, limit })).toEqual(left);
    });
  });

  describe("list with states", () => {
    it("gives what is current in the store and in memory, and opens nothing", async () => {
      const [writer, reader] = new World(stores).pair({ watch: false });
      const ids = numbered(5);
      await fill(writer, "user", ids);
      const old = await reader.open<Counter>("user", "k0001");
      await (await writer.open<Counter>("user", "k0001")).patchState({ n: 1 });
      await (await writer.open<Counter>("user", "k0002")).delete();
      await fill(reader, "temp", ["t"]);
      const page = await reader.list({ type: "user", limit: 3, states: true });
      expect(page).toMatchObject({
        scopes: [
          { type: "user", id: "k0000", version: 1, state: { text: "k0000" } },
          { type: "user", id: "k0001", version: 2, state: { text: "k0001", n: 1 } },
          { type: "user", id: "k0003", version: 1, state: { text: "k0003" } },
        ],
        ids: ["k0000", "k0001", "k0003"],
      });
      expect(page.scopes.every(({ state }) => isDeepFrozen(state))).toBe(true);
      expect([old.version, reader.residentScopes]).toEqual([1, 2]);
      const all = await collect(reader.list({ states: true, limit: 2, reverse: true }));
      expect(all.map(({ id, state }) => [id, state])).toEqual([
        ...["k0004", "k0003"].map((id) => [id, { text: id }]),
        ["k0001", { text: "k0001", n: 1 }],
        ["k0000", { text: "k0000" }],
        ["t", { text: "t" }],
      ]);
    });

    it("leaves out what was deleted since it was listed, and types of others", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const kinds = { note: defineKind() };
      await fill(world.runtime({ store, kinds }), "note", ["n"]);
      const runtime = world.runtime({ store });
      await fill(runtime, "user", ["a", "b"]);
      const scope = await runtime.open("user", "a");
      store.before = async (operation) => {
        if (operation !== "load") return;
        store.before = () => undefined;
        await scope.delete();
      };
      const page = await runtime.list({ states: true, limit: 3 });
      expect(page).toMatchObject({ ids: ["b"], scopes: [{ type: "user", id: "b", version: 1 }] });
    });

    it("rejects with the identity of a record that cannot be read", async () => {
      const world = new World(stores);
      const store = world.store();
      const runtime = world.runtime({ store });
      await fill(runtime, "user", ["a", "c"]);
      const state = { n: { $holdfast: "later", value: "x" } };
      await store.commit([
        { key: encodeKey("holdfast", "user", "b"), expectedVersion: 0, version: 1, state },
      ]);
      const error = await rejection(
        collect(runtime.list({ type: "user", states: true })),
        "CORRUPT_STATE",
      );
      expect(error["scope"]).toEqual({ type: "user", id: "b" });
      expect(await idsOf(runtime, { type: "user" })).toEqual(["a", "b", "c"]);
    });
  });
}

/** Claims about `read`, `supports` and `slice`. */
export function readCases(stores: RuntimeStores): void {
  describe("read", () => {
    it("gives the current states in the order of the ids, and opens nothing", async () => {
      const [writer, reader] = new World(stores).pair({ watch: false });
      await fill(writer, "user", ["a", "b", "gone"]);
      const old = await reader.open<Counter>("user", "a");
      await (await writer.open<Counter>("user", "a")).atomicState(add);
      await (await writer.open<Counter>("user", "gone")).delete();
      const found = await reader.read<Counter>("user", ["b", "gone", "a", "never", "b"]);
      expect(found).toEqual([
        { version: 1, state: { text: "b" } },
        undefined,
        { version: 2, state: { text: "a", n: 1 } },
        undefined,
        { version: 1, state: { text: "b" } },
      ]);
      expect(isDeepFrozen(found[2])).toBe(true);
      expect([old.version, reader.residentScopes]).toEqual([1, 1]);
      await old.atomicState(add); // What the scope knew of its record is unchanged.
      expect(old.state).toEqual({ text: "a", n: 2 });
      expect(await reader.read("user", [])).toEqual([]);
    });

    it("sends one request for each full batch", async () => {
      const world = new World(stores);
      const ids = numbered(2 * BATCH_MAX + 10);
      const writer = world.runtime();
      await fill(writer, "user", ids);
      const store = steer(world.store());
      const sizes: number[] = [];
      store.before = (operation, keys) => {
        if (operation === "load") sizes.push(keys.length);
      };
      const runtime = world.runtime({ store, watch: false });
      const found = await runtime.read<Counter>("user", [...ids, ...ids]);
      expect(found.map((each) => each?.state.text)).toEqual([...ids, ...ids]);
      expect(sizes).toEqual([BATCH_MAX, BATCH_MAX, 10]);
      expect(runtime.residentScopes).toBe(0);
    });

    it("gives changes that are not stored yet, and those of volatile kinds", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const draft = await runtime.open<Counter>("draft", "d");
      const gone = await runtime.open<Counter>("draft", "gone");
      await Promise.all([draft.atomicState(add), gone.atomicState(add)]);
      await Promise.all([draft.flush(), gone.flush()]);
      const held = gate();
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      await draft.atomicState(add);
      await gone.delete();
      await fill(runtime, "temp", ["t"]);
      await runtime.open("temp", "unwritten");
      expect(await runtime.read("draft", ["d", "gone"])).toEqual([
        { version: 2, state: { n: 2 } },
        undefined,
      ]);
      expect(await runtime.read("temp", ["t", "unwritten", "absent"])).toEqual([
        { version: 1, state: { text: "t" } },
        undefined,
        undefined,
      ]);
      held.open();
    });

    it("gives a change that is stored while the request is under way", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const draft = await runtime.open<Counter>("draft", "d");
      await draft.atomicState(add);
      await draft.flush();
      await draft.atomicState(add);
      const flushed = gate();
      const load = store.load.bind(store);
      store.load = async (keys) => {
        const records = await load(keys);
        await flushed.promise; // Its answer is old when it arrives.
        return records;
      };
      const reading = runtime.read("draft", ["d"]);
      await draft.flush();
      flushed.open();
      expect(await reading).toEqual([{ version: 2, state: { n: 2 } }]);
    });

    it("gives a change that is not stored yet on top of what another writer stored", async () => {
      const world = new World(stores);
      const other = world.runtime();
      const steered = steer(world.store());
      let loaded = gate();
      const load: typeof steered.load = async (keys) => {
        const records = await steered.load(keys);
        loaded.open();
        return records;
      };
      const store = { ...steered, load };
      const runtime = world.runtime({ store, watch: false, cas: { baseDelayMs: 1 } });
      const mine = await runtime.open<Counter>("draft", "a");
      const theirs = await other.open<Counter>("draft", "a");
      const read = async (): Promise<unknown> =>
        (await runtime.read<Counter>("draft", ["a"]))[0]?.state;
      const overtake = async (text: string): Promise<void> => {
        loaded = gate(); // A write of this runtime waits for its next read.
        steered.before = (operation) => (operation === "commit" ? loaded.promise : undefined);
        await theirs.patchState({ text });
        await theirs.flush();
        await mine.incState({ n: 1 });
      };
      await overtake("one");
      expect(await read()).toEqual({ text: "one", n: 1 });
      await mine.flush();
      await theirs.refresh();
      await overtake("two");
      const inside: unknown[] = [];
      await mine.atomicState(async (state) => {
        inside.push(await read()); // It cannot wait for its own turn.
        return add(state);
      });
      expect(inside[0]).toMatchObject({ n: 2 });
      await mine.flush();
      expect(await read()).toEqual({ text: "two", n: 3 });
    });

    it("fills in defaults, and rejects with what cannot be read", async () => {
      const world = new World(stores);
      const store = world.store();
      const schema = z.object({ n: z.number(), list: z.array(z.number()).default([]) });
      const cart = defineKind({ schema, initial: { n: 0, list: [] } });
      const runtime = world.runtime({ store, kinds: { cart } });
      const put = (id: string, state: { n: string | number | { $holdfast: string } }) => {
        const key = encodeKey("holdfast", "cart", id);
        return { key, expectedVersion: 0, version: 1, state };
      };
      const corrupt = { n: { $holdfast: "later" } };
      await store.commit([put("old", { n: 1 }), put("text", { n: "1" }), put("odd", corrupt)]);
      const read = (...ids: string[]): Promise<unknown> => runtime.read("cart", ids);
      expect(await read("old")).toEqual([{ version: 1, state: { n: 1, list: [] } }]);
      const invalid = await rejection(read("old", "text", "odd"), "STATE_INVALID");
      expect(invalid["scope"]).toEqual({ type: "cart", id: "text" });
      const damaged = await rejection(read("odd", "text"), "CORRUPT_STATE");
      expect(damaged["scope"]).toEqual({ type: "cart", id: "odd" });
      await rejection(runtime.open("cart", "text"), "STATE_INVALID"); // As `open`.
    });

    it.skipIf(stores.ownClock)("gives no expired state", async () => {
      const clock = simulatedClock(1_000);
      const world = new World(stores, clock);
      const kinds = {
        code: defineKind({ ttlMs: 100 }),
        hint: defineKind({ ttlMs: 100, durability: "volatile" }),
      };
      const runtime = world.runtime({ kinds });
      for (const type of ["code", "hint"]) {
        await fill(runtime, type, ["a"]);
        expect(await runtime.read(type, ["a"])).toMatchObject([{ version: 1 }]);
      }
      clock.setTime(clock.now() + 100);
      for (const type of ["code", "hint"])
        expect(await runtime.read(type, ["a"])).toEqual([undefined]);
    });

    it("refuses what it cannot read", async () => {
      const runtime = new World(stores).runtime();
      // Each of them has a wrong type.
      const read = (type: unknown, ids: unknown): Promise<unknown> =>
        runtime.read(type as string, ids as string[]);
      for (const [type, ids] of [
        ["nope", ["a"]],
        ["nope", []],
        ["sequencer", ["a"]],
        ["user", "a"],
        ["user", undefined],
        ["user", [""]],
        ["user", ["a", 1]],
      ])
        await expect(read(type, ids)).rejects.toBeInstanceOf(TypeError);
      await runtime.close();
      await rejection(runtime.read("user", ["a"]), "RUNTIME_CLOSED");
    });
  });

  it("supports says what the store of a kind can do", async () => {
    const world = new World(stores);
    const store = world.store();
    const runtime = world.runtime({ store });
    expect(runtime.supports("user")).toEqual(store.supports);
    expect(runtime.supports("draft")).toEqual(store.supports);
    expect(runtime.supports("temp")).toMatchObject({ durable: false, list: true, watch: false });
    expect(() => runtime.supports("nope")).toThrow(TypeError);
  });

  it("slice gives a window of the stored list", async () => {
    const [writer, reader] = new World(stores).pair({ watch: false });
    const old = await reader.open<Counter>("user", "a");
    const scope = await writer.open<Counter>("user", "a");
    const list = Array.from({ length: 10 }, (_, at) => at);
    await scope.patchState({ list, text: "no list" });
    const windows: [number?, number?][] = [[], [3], [3, 5], [-2], [0, -8], [8, 2], [-99, Infinity]];
    for (const [from, to] of windows)
      expect(await old.slice("list", from, to)).toEqual(list.slice(from, to));
    expect(Object.isFrozen(await old.slice("list", 0, 2))).toBe(true);
    const empty = await writer.open<Counter>("user", "empty");
    expect(await empty.slice("list", 0, 2)).toEqual([]);
    // Each of them has a wrong type.
    const slice = (field: unknown, from?: unknown): Promise<unknown> =>
      old.slice(field as "list", from as number);
    const error = await rejection(slice("text"), "STATE_TYPE");
    expect(error).toMatchObject({ path: "text", expected: "an array", received: "string" });
    await rejection(slice(1), "STATE_TYPE");
    await expect(slice("list", "1")).rejects.toBeInstanceOf(TypeError);
    await expect(slice("list", Number.NaN)).rejects.toBeInstanceOf(RangeError);
  });
}
