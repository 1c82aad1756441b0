/** How requests are gathered: B1, B2, and which stores wait for the turn of the event loop. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BatchPerTick } from "../../../../src/stores/shared/batch-per-tick.ts";
import { batchingStore } from "../../../../src/runtime/persistence/batching-store.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";

const MAX = 256;

/** Gathers numbers; `batches` are the sizes of what was worked off. */
function gathering(isImmediate: boolean) {
  const batches: number[] = [];
  const batch = new BatchPerTick<number, number>({
    run: (requests: readonly number[]) => {
      batches.push(requests.length);
      return Promise.resolve(requests.map((each) => each * 2));
    },
    isOfOne: () => false,
    isImmediate,
  });
  const ask = (request: number): Promise<number> => batch.add(request);
  return { ask, batch, batches };
}

/** Waits until all that needs no turn of the event loop is done. */
function tick(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(() => queueMicrotask(() => process.nextTick(resolve)));
  });
}

const ways = [
  ["immediate", true],
  ["other", false],
] as const;

describe("requests to a store", () => {
  it.each(ways)("B1 of the same code share a batch, %s", async (_, isImmediate) => {
    const { ask, batches } = gathering(isImmediate);
    const all = await Promise.all(Array.from({ length: MAX }, (_each, at) => ask(at)));
    expect(all).toEqual(Array.from({ length: MAX }, (_each, at) => at * 2));
    expect(batches).toEqual([MAX]);
  });

  it.each(ways)(
    "wait for the turn of the loop unless it is immediate: %s",
    async (_, immediate) => {
      const { ask, batches } = gathering(immediate);
      const asked = ask(1);
      expect(batches).toEqual([]);
      await tick();
      expect(batches).toEqual(immediate ? [1] : []);
      expect(await asked).toBe(2);
      expect(batches).toEqual([1]);
    },
  );

  it("have their answers, whatever the receiver of another one throws", async () => {
    const { ask, batch } = gathering(false);
    const ends: unknown[] = [];
    const before = ask(1);
    batch.put(2, {
      answered: () => {
        throw new Error("a clock");
      },
      failed: (error) => ends.push(error),
    });
    batch.put(3, { answered: (end) => ends.push(end), failed: (error) => ends.push(error) });
    expect(await before).toBe(2);
    await batch.answered(() => true);
    expect(ends).toEqual([new Error("a clock"), 6]);
  });

  it.each(ways)("B2 more than a batch goes on in the next turns, %s", async (_, isImmediate) => {
    const { ask, batches } = gathering(isImmediate);
    const asked = Promise.all(Array.from({ length: 2 * MAX + 1 }, (_each, at) => ask(at)));
    const sizes: number[] = [];
    while (sizes.at(-1) !== 3) {
      await turn();
      sizes.push(batches.length);
    }
    expect(sizes.every((size, at) => size - (sizes[at - 1] ?? 0) <= 1)).toBe(true);
    expect(batches).toEqual([MAX, MAX, 1]);
    await asked;
  });

  it("B2 a turn passes while a caller awaits one after another", async () => {
    const { ask } = gathering(true);
    let isOver = false;
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    for (let at = 0; at < 10 * MAX; at += 1) await ask(at);
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  it("B3 what matches is waited for before its batch begins, and nothing else is", async () => {
    const { ask, batch } = gathering(false);
    const order: string[] = [];
    void ask(1).then(() => order.push("answered"));
    await batch.answered((request) => request === 2);
    order.push("not waited");
    await batch.answered((request) => request === 1);
    expect(order).toEqual(["not waited", "answered"]);
  });

  it("B3 what matches is waited for after its batch has begun", async () => {
    let end: (() => void) | undefined;
    const run = (requests: readonly number[]): Promise<readonly number[]> =>
      new Promise((resolve) => {
        end = () => resolve(requests);
      });
    const batch = new BatchPerTick({ run, isOfOne: () => false, isImmediate: false });
    const order: string[] = [];
    void batch.add(1).then(() => order.push("answered"));
    await turn();
    const waited = batch.answered(() => true).then(() => order.push("waited"));
    await tick();
    expect([typeof end, order]).toEqual(["function", []]);
    end?.();
    await waited;
    expect(order).toEqual(["answered", "waited"]);
  });

  it.each(ways)("B4 senders are called when their batch begins, %s", async (_, isImmediate) => {
    const { ask, batch, batches } = gathering(isImmediate);
    const order: string[] = [];
    const sender = (name: string) => ({
      send: (): void => {
        order.push(name);
        void ask(1).then(() => order.push("answered"));
      },
    });
    batch.gather(sender("first"));
    void ask(2);
    batch.gather(sender("second"));
    order.push("gathered");
    await turn();
    await turn();
    expect(order).toEqual(["gathered", "first", "second", "answered", "answered"]);
    expect(batches).toEqual([3]);
  });

  it.each(ways)(
    "B4 a full batch leaves the other senders to the next, %s",
    async (_, isImmediate) => {
      const { ask, batch, batches } = gathering(isImmediate);
      const asked: Promise<number>[] = [];
      for (let at = 0; at < 2 * MAX + 1; at += 1)
        batch.gather({ send: () => void asked.push(ask(at)) });
      while (asked.length < 2 * MAX + 1) {
        await turn();
        expect(asked.length).toBe(batches.reduce((sum, size) => sum + size, 0));
      }
      expect(batches).toEqual([MAX, MAX, 1]);
      expect(await Promise.all(asked)).toEqual(asked.map((_each, at) => at * 2));
    },
  );

  it.each(ways)(
    "B4 senders that have nothing to send hold up no others, %s",
    async (_, isImmediate) => {
      const { ask, batch, batches } = gathering(isImmediate);
      for (let at = 0; at < 2 * MAX; at += 1) batch.gather({ send: () => undefined });
      const asked: Promise<number>[] = [];
      batch.gather({ send: () => void asked.push(ask(1)) });
      await turn();
      await turn();
      expect(await Promise.all(asked)).toEqual([2]);
      expect(batches).toEqual([1]);
    },
  );

  it.each(ways)(
    "B4 more requests in each turn than a batch holds keep no sender waiting, %s",
    async (_, isImmediate) => {
      const { ask, batch } = gathering(isImmediate);
      const asked: Promise<number>[] = [];
      const flood = (): void => {
        for (let at = 0; at < 2 * MAX; at += 1) asked.push(ask(at));
      };
      flood();
      const turns: number[] = [];
      for (let passed = 0; passed < 12; passed += 1) {
        if (passed % 4 === 0) batch.gather({ send: () => void turns.push(passed) });
        flood();
        await turn();
      }
      const waited = turns.map((at, index) => at - index * 4);
      expect(turns).toHaveLength(3);
      expect(Math.max(...waited)).toBeLessThan(3);
      await Promise.all(asked);
    },
  );

  it("B1 a batch with a request that spoils it is halved until that one is alone", async () => {
    const runs: (readonly number[])[] = [];
    const run = async (requests: readonly number[]): Promise<readonly number[]> => {
      runs.push(requests);
      if (requests.includes(2)) throw new RangeError("spoiled");
      return requests;
    };
    const batch = new BatchPerTick({ run, isOfOne: () => true, isImmediate: false });
    const ends = await Promise.allSettled([0, 1, 2, 3, 4].map((each) => batch.add(each)));
    expect(runs).toEqual([[0, 1, 2, 3, 4], [0, 1, 2], [0, 1], [2], [3, 4]]);
    expect(ends.map(({ status }) => status === "fulfilled")).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  it("B1 a batch that the rest of a turn has no room for is not split", async () => {
    const { ask, batches } = gathering(true);
    for (let at = 0; at < MAX - 1; at += 1) await ask(at);
    batches.length = 0;
    await Promise.all([ask(1), ask(2), ask(3)]);
    expect(batches).toEqual([3]);
  });
});

it("a commit to the memory store crosses no turn of the loop, and shares its batch", async () => {
  const store = memoryStore();
  const sizes: number[] = [];
  const commit = store.commit.bind(store);
  store.commit = (writes, options) => {
    sizes.push(writes.length);
    return commit(writes, options);
  };
  const runtime = createRuntime({ store });
  const scopes = await Promise.all(["1", "2", "3"].map((id) => runtime.open("user", id)));
  let saved = 0;
  for (const scope of scopes) void scope.patchState({ n: 1 }).then(() => (saved += 1));
  await tick();
  await tick();
  expect([saved, sizes]).toEqual([3, [3]]);
  expect(batchingStore(store).store.supports.immediate).toBe(true);
  await runtime.close();
});
