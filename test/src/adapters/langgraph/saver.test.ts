/** What the checkpointer stores, what it refuses, and what it makes of damaged records. */
import {
  BaseCheckpointSaver,
  type Checkpoint,
  type CheckpointMetadata,
  ERROR,
  uuid6,
} from "@langchain/langgraph-checkpoint";
import { expect, it, onTestFinished } from "vitest";
import type { Runtime } from "../../../../src/index.ts";
import { createRuntime, defineKind } from "../../../../src/index.ts";
import { HoldfastSaver } from "../../../../src/langgraph.ts";
import { rejection } from "../../../support/waiting.ts";
import { collect } from "../../../support/collect.ts";
import { type AdapterStore, onEachStore } from "../adapter-stores.ts";

const META: CheckpointMetadata = { source: "loop", step: 0, parents: {} };
const TYPE = "langgraph.checkpoint";

function saverOn({ fresh, open }: AdapterStore): { runtime: Runtime; saver: HoldfastSaver } {
  const runtime = open(fresh());
  onTestFinished(() => runtime.close());
  return { runtime, saver: new HoldfastSaver({ runtime }) };
}

function thread(id: string, more: object = {}): { configurable: Record<string, unknown> } {
  return { configurable: { thread_id: id, checkpoint_ns: "", ...more } };
}

/** A checkpoint with these values, whose channels all have `versions`. */
function checkpointOf(values: object, versions: Record<string, number>): Checkpoint {
  return {
    v: 4,
    id: uuid6(0),
    ts: "2026-01-01T00:00:00.000Z",
    channel_values: { ...values },
    channel_versions: versions,
    versions_seen: {},
  };
}

/** The JSON that all records of a saver have together. */
async function storedChars(runtime: Runtime): Promise<number> {
  const entries = await collect(runtime.list({ type: TYPE, states: true }));
  return entries.reduce((sum, { state }) => sum + JSON.stringify(state).length, 0);
}

await onEachStore("langgraph-saver", (store) => {
  it("stores the changed channels only", async () => {
    const { runtime, saver } = saverOn(store);
    const large = "x".repeat(100_000);
    let config = await saver.put(
      thread("t"),
      checkpointOf({ large, n: 0 }, { large: 1, n: 1 }),
      META,
      { large: 1, n: 1 },
    );
    for (let n = 2; n <= 20; n += 1)
      config = await saver.put(config, checkpointOf({ large, n }, { large: 1, n }), META, { n });
    expect((await saver.get(config))?.channel_values).toEqual({ large, n: 20 });
    expect(await storedChars(runtime)).toBeLessThan(2 * large.length);
  });

  it("reads a channel where it was stored, also when another saver goes on", async () => {
    const { runtime, saver } = saverOn(store);
    const first = await saver.put(thread("t"), checkpointOf({ a: 1, b: 1 }, { a: 1, b: 1 }), META, {
      a: 1,
      b: 1,
    });
    const other = new HoldfastSaver({ runtime });
    const second = await other.put(first, checkpointOf({ a: 1, b: 2 }, { a: 1, b: 2 }), META, {
      b: 2,
    });
    const third = await saver.put(second, checkpointOf({ a: 3, b: 2 }, { a: 3, b: 2 }), META, {
      a: 3,
    });
    const values = async (config: object): Promise<unknown> =>
      (await saver.get(config))?.channel_values;
    expect(await values(first)).toEqual({ a: 1, b: 1 });
    expect(await values(second)).toEqual({ a: 1, b: 2 });
    expect(await values(third)).toEqual({ a: 3, b: 2 });
    const listed = await collect(saver.list(thread("t")));
    expect(listed.map(({ checkpoint }) => checkpoint.channel_values)).toEqual([
      { a: 3, b: 2 },
      { a: 1, b: 2 },
      { a: 1, b: 1 },
    ]);
  });

  it("keeps apart checkpoints that gave a channel the same version", async () => {
    const { saver } = saverOn(store);
    const root = await saver.put(thread("t"), checkpointOf({ a: 0 }, { a: 1 }), META, { a: 1 });
    const forks = await Promise.all(
      ["left", "right"].map((a) => saver.put(root, checkpointOf({ a }, { a: 2 }), META, { a: 2 })),
    );
    const ends = await Promise.all(
      forks.map((fork, at) =>
        saver.put(fork, checkpointOf({ a: "?", n: at }, { a: 2, n: 1 }), META, { n: 1 }),
      ),
    );
    const values = await Promise.all(
      ends.map(async (end) => (await saver.get(end))?.channel_values),
    );
    expect(values).toEqual([
      { a: "left", n: 0 },
      { a: "right", n: 1 },
    ]);
  });

  it("returns writes in the order of task path, task and index, and keeps the first of each", async () => {
    const { saver } = saverOn(store);
    const config = await saver.put(thread("t"), checkpointOf({}, {}), META, {});
    await Promise.all([
      saver.putWrites(
        config,
        [
          ["a", 3],
          ["a", 4],
        ],
        "task-1",
        "~b",
      ),
      saver.putWrites(
        config,
        [
          ["a", 1],
          ["a", 2],
        ],
        "task-2",
        "~a",
      ),
      saver.putWrites(config, [["a", 0]], "task-3"),
    ]);
    await saver.putWrites(config, [["a", "again"]], "task-3");
    await saver.putWrites(config, [[ERROR, "first"]], "task-3");
    await saver.putWrites(config, [[ERROR, "last"]], "task-3");
    const tuple = await saver.getTuple(config);
    expect(tuple?.pendingWrites).toEqual([
      ["task-3", ERROR, "last"],
      ["task-3", "a", 0],
      ["task-2", "a", 1],
      ["task-2", "a", 2],
      ["task-1", "a", 3],
      ["task-1", "a", 4],
    ]);
  });

  it("keeps writes that come before their checkpoint", async () => {
    const { saver } = saverOn(store);
    const checkpoint = checkpointOf({}, {});
    const config = thread("t", { checkpoint_id: checkpoint.id });
    await saver.putWrites(config, [["a", 1]], "task");
    expect(await saver.getTuple(config)).toBeUndefined();
    expect(await collect(saver.list(thread("t")))).toEqual([]);
    await saver.put(thread("t"), checkpoint, META, {});
    expect((await saver.getTuple(config))?.pendingWrites).toEqual([["task", "a", 1]]);
  });

  it("keeps values of every kind that the serializer knows, and returns new ones", async () => {
    const { saver } = saverOn(store);
    const values = {
      bytes: new Uint8Array([0, 255, 128]),
      map: new Map([["a", new Set([1])]]),
      text: "\uD800 ü 🎈 \u0000",
      none: null,
      nested: { deep: [{}] },
    };
    const versions = Object.fromEntries(Object.keys(values).map((key) => [key, 1]));
    const config = await saver.put(thread("t"), checkpointOf(values, versions), META, versions);
    const first = await saver.get(config);
    expect(first?.channel_values).toEqual(values);
    Object(first?.channel_values).nested.deep.push("mine");
    expect((await saver.get(config))?.channel_values).toEqual(values);
  });

  it("takes threads, namespaces, channels and tasks of any characters", async () => {
    const { saver } = saverOn(store);
    const names = [
      "a",
      "a/",
      "a/c",
      "/",
      "%2f",
      "a:b",
      "ü🎈",
      "__proto__",
      " ",
      "\u0000",
      "\uD800",
    ];
    for (const name of names)
      for (const checkpoint_ns of ["", name]) {
        const values = Object.fromEntries([[name, { name, checkpoint_ns }]]);
        const versions = Object.fromEntries([[name, 1]]);
        const checkpoint = checkpointOf(values, versions);
        const config = await saver.put(thread(name, { checkpoint_ns }), checkpoint, META, versions);
        await saver.putWrites(config, [[name, name]], name);
      }
    for (const name of names)
      for (const checkpoint_ns of ["", name]) {
        const tuple = await saver.getTuple(thread(name, { checkpoint_ns }));
        expect(tuple?.config.configurable).toMatchObject({ thread_id: name, checkpoint_ns });
        expect(Object.entries(tuple?.checkpoint.channel_values ?? {})).toEqual([
          [name, { name, checkpoint_ns }],
        ]);
        expect(tuple?.pendingWrites).toEqual([[name, name, name]]);
      }
    await saver.deleteThread("a");
    expect(await saver.getTuple(thread("a"))).toBeUndefined();
    expect(await collect(saver.list({ configurable: {} }))).toHaveLength(2 * (names.length - 1));
  });

  it("lists a thread without a namespace newest first, and all threads", async () => {
    const { saver } = saverOn(store);
    const ids: string[] = [];
    for (const [id, checkpoint_ns] of [
      ["t", ""],
      ["t", "b"],
      ["t", ""],
      ["u", "a"],
      ["t", "a"],
    ]) {
      const checkpoint = checkpointOf({}, {});
      ids.unshift(checkpoint.id);
      await saver.put(thread(id ?? "", { checkpoint_ns }), checkpoint, META, {});
    }
    const listed = async (...args: Parameters<HoldfastSaver["list"]>): Promise<string[]> =>
      (await collect(saver.list(...args))).map(({ checkpoint }) => checkpoint.id);
    expect(await listed({ configurable: {} })).toEqual(ids);
    const [a, u, third, b, first] = ids;
    expect(await listed({ configurable: { thread_id: "t" } })).toEqual([a, third, b, first]);
    expect(await listed(thread("t"))).toEqual([third, first]);
    expect(await listed(thread("t"), { before: thread("t", { checkpoint_id: third }) })).toEqual([
      first,
    ]);
    expect(await listed({ configurable: { thread_id: "t", checkpoint_id: b } })).toEqual([b]);
    expect(await listed({ configurable: {} }, { limit: 2 })).toEqual([a, u]);
    expect(await listed({ configurable: {} }, { limit: 0 })).toEqual([]);
  });

  it("keeps no checkpoint in memory, and inherits from the class of LangGraph", async () => {
    const { runtime, saver } = saverOn(store);
    const config = await saver.put(thread("t"), checkpointOf({ a: 1 }, { a: 1 }), META, { a: 1 });
    await saver.putWrites(config, [["a", 1]], "task");
    await saver.getTuple(config);
    expect(runtime.residentScopes).toBe(0);
    expect(saver).toBeInstanceOf(BaseCheckpointSaver);
    expect(JSON.stringify({ saver })).toBe('{"saver":"[HoldfastSaver]"}');
  });

  it("refuses what names no checkpoint or cannot be stored, by its path", async () => {
    const { saver } = saverOn(store);
    const put = (config: object, values: object = {}): Promise<unknown> => {
      const versions = Object.fromEntries(Object.keys(values).map((key) => [key, 1]));
      return saver.put(config, checkpointOf(values, versions), META, versions);
    };
    for (const config of [
      {},
      thread("t", { thread_id: undefined }),
      thread("t", { thread_id: 7 }),
      thread("t", { checkpoint_id: {} }),
    ])
      expect(await rejection(put(config))).toBeInstanceOf(TypeError);
    expect(await rejection(saver.getTuple(thread("t", { thread_id: 7 })))).toBeInstanceOf(
      TypeError,
    );
    expect(await rejection(saver.deleteThread(Object(7).valueOf()))).toBeInstanceOf(TypeError);
    const listing = collect(saver.list(thread("t"), { limit: Number.NaN }));
    expect(await rejection(listing)).toBeInstanceOf(RangeError);
    for (const [value, path] of [
      [{ n: 1n }, "channel_values.a"],
      [() => 1, "channel_values.a"],
    ] as const) {
      const error = await rejection(put(thread("t"), { a: value }), "STATE_NOT_SERIALIZABLE");
      expect(error["path"]).toBe(path);
    }
    const writes = saver.putWrites(thread("t", { checkpoint_id: "1" }), [["a", 1n]], "task");
    expect(await rejection(writes, "STATE_NOT_SERIALIZABLE")).toMatchObject({
      path: "writes[0].a",
    });
    expect(await saver.getTuple(thread("t"))).toBeUndefined();
    expect(await rejection(put(thread("x".repeat(5_000))))).toBeInstanceOf(RangeError);
  });

  it("says of a damaged record which it is", async () => {
    const { runtime, saver } = saverOn(store);
    const values = { a: "large".repeat(100) };
    const root = await saver.put(thread("t"), checkpointOf(values, { a: 1 }), META, { a: 1 });
    const end = await saver.put(root, checkpointOf(values, { a: 1 }), META, {});
    const damage = async (config: typeof end, change: object): Promise<void> => {
      const { checkpoint_id } = config.configurable ?? {};
      const scope = await runtime.open<object>(TYPE, `t//${String(checkpoint_id)}`);
      await scope.patchState(change);
    };
    const read = (config: object): Promise<unknown> => saver.getTuple(config);
    await damage(root, { values: [] });
    expect(String(await rejection(read(end), "CORRUPT_STATE"))).toContain('channel "a"');
    await damage(root, { values: [["a", ["json", "{"]]] });
    expect(String(await rejection(read(end), "CORRUPT_STATE"))).toContain('channel "a"');
    await damage(root, { values: [["a", ["other", "{"]]] });
    await rejection(read(root), "CORRUPT_STATE");
    await damage(root, { metadata: 7 });
    expect(String(await rejection(read(root), "CORRUPT_STATE"))).toContain("t//");
    await rejection(collect(saver.list(thread("t"))), "CORRUPT_STATE");
    await saver.deleteThread("t");
    expect(await read(root)).toBeUndefined();
  });
});

it("uses a declared kind, with its limits", async () => {
  await using runtime = createRuntime({
    kinds: { steps: defineKind({ hardLimitBytes: 1_000, resident: false }) },
  });
  const saver = new HoldfastSaver({ runtime, type: "steps" });
  const config = await saver.put(thread("t"), checkpointOf({}, {}), META, {});
  const large = checkpointOf({ a: "x".repeat(2_000) }, { a: 1 });
  await rejection(saver.put(config, large, META, { a: 1 }), "STATE_TOO_LARGE");
  expect((await saver.getTuple(thread("t")))?.config).toEqual(config);
});

it("uses a serializer of the caller", async () => {
  await using runtime = createRuntime();
  const serde = {
    dumpsTyped: (value: unknown): Promise<[string, Uint8Array]> =>
      Promise.resolve(["json", Buffer.from(JSON.stringify(value)).map((byte) => byte ^ 0x80)]),
    loadsTyped: (_type: string, data: Uint8Array | string): Promise<unknown> =>
      Promise.resolve(
        JSON.parse(
          Buffer.from(Buffer.from(data as Uint8Array).map((byte) => byte ^ 0x80)).toString(),
        ),
      ),
  };
  const saver = new HoldfastSaver({ runtime, serde });
  const config = await saver.put(thread("t"), checkpointOf({ a: "ü" }, { a: 1 }), META, { a: 1 });
  expect((await saver.get(config))?.channel_values).toEqual({ a: "ü" });
});

it("refuses wrong options", async () => {
  await using runtime = createRuntime();
  const make = (options: unknown) => () => new HoldfastSaver(Object(options));
  expect(make({ runtime, ttl: 1 })).toThrow(TypeError);
  expect(make({})).toThrow("HoldfastSaver needs { runtime }");
  expect(make(runtime)).toThrow("give it as { runtime }");
});
