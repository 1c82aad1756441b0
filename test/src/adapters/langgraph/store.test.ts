/** The store of items: namespaces, searches, batches. */
import { InvalidNamespaceError } from "@langchain/langgraph-checkpoint";
import { expect, it, onTestFinished } from "vitest";
import type { Runtime } from "../../../../src/index.ts";
import { HoldfastStore } from "../../../../src/langgraph.ts";
import { rejection } from "../../../support/waiting.ts";
import { type AdapterStore, onEachStore } from "../adapter-stores.ts";

function storeOn({ fresh, open }: AdapterStore): { runtime: Runtime; items: HoldfastStore } {
  const runtime = open(fresh());
  onTestFinished(() => runtime.close());
  return { runtime, items: new HoldfastStore({ runtime }) };
}

async function fill(items: HoldfastStore): Promise<void> {
  await items.put(["docs", "ann"], "one", { topic: "tea", stars: 3 });
  await items.put(["docs", "ann"], "two", { topic: "milk", stars: 5 });
  await items.put(["docs", "bob"], "one", { topic: "tea", stars: 4 });
  await items.put(["docs", "annabel"], "one", { topic: "tea" });
  await items.put(["notes"], "one", { topic: "tea" });
}

await onEachStore("langgraph-store", (store) => {
  it("gives what was put, as new objects", async () => {
    const { items } = storeOn(store);
    const value = { list: [1, { two: 2 }], text: "a" };
    await items.put(["a", "b"], "key", value);
    const item = await items.get(["a", "b"], "key");
    expect(item).toMatchObject({ namespace: ["a", "b"], key: "key", value });
    expect(item?.createdAt).toBeInstanceOf(Date);
    Object(item?.value).list.push("mine");
    expect((await items.get(["a", "b"], "key"))?.value).toEqual(value);
    expect(await items.get(["a"], "key")).toBeNull();
    expect(await items.get(["a", "b"], "other")).toBeNull();
  });

  it("replaces a value, keeps its first time, and deletes", async () => {
    const { items } = storeOn(store);
    await items.put(["a"], "key", { one: 1 });
    const first = await items.get(["a"], "key");
    await items.put(["a"], "key", { two: 2 });
    const second = await items.get(["a"], "key");
    expect(second?.value).toEqual({ two: 2 });
    expect(second?.createdAt).toEqual(first?.createdAt);
    await items.delete(["a"], "key");
    expect(await items.get(["a"], "key")).toBeNull();
    await items.delete(["a"], "key");
  });

  it("searches below a namespace, by filter, limit and offset", async () => {
    const { items } = storeOn(store);
    await fill(items);
    const keys = async (...args: Parameters<HoldfastStore["search"]>): Promise<string[]> =>
      (await items.search(...args)).map(({ namespace, key }) => [...namespace, key].join("/"));
    expect(await keys(["docs", "ann"])).toEqual(["docs/ann/one", "docs/ann/two"]);
    expect(await keys(["docs"], { filter: { topic: "tea" }, limit: 2 })).toEqual([
      "docs/ann/one",
      "docs/annabel/one",
    ]);
    expect(await keys(["docs"], { offset: 3 })).toEqual(["docs/bob/one"]);
    expect(await keys([])).toHaveLength(5);
    expect(await keys([], { limit: 0 })).toEqual([]);
    const stars = (filter: object): Promise<string[]> =>
      keys(["docs"], { filter: { stars: filter } });
    expect(await stars({ $gt: 3 })).toEqual(["docs/ann/two", "docs/bob/one"]);
    expect(await stars({ $gte: 3, $lt: 5 })).toEqual(["docs/ann/one", "docs/bob/one"]);
    expect(await stars({ $lte: 3 })).toEqual(["docs/ann/one"]);
    expect(await stars({ $eq: 4 })).toEqual(["docs/bob/one"]);
    expect(await stars({ $ne: 4 })).toHaveLength(3);
    expect(await stars({ $in: [3, 4] })).toEqual(["docs/ann/one", "docs/bob/one"]);
    expect(await stars({ $nin: [3, 4] })).toEqual(["docs/ann/two", "docs/annabel/one"]);
    expect(await rejection(stars({ $near: 4 }))).toBeInstanceOf(TypeError);
    expect(await rejection(stars({ $in: 4 }))).toBeInstanceOf(TypeError);
  });

  it("lists namespaces", async () => {
    const { items } = storeOn(store);
    await fill(items);
    expect(await items.listNamespaces()).toEqual([
      ["docs", "ann"],
      ["docs", "annabel"],
      ["docs", "bob"],
      ["notes"],
    ]);
    expect(await items.listNamespaces({ maxDepth: 1 })).toEqual([["docs"], ["notes"]]);
    expect(await items.listNamespaces({ prefix: ["docs"], limit: 1, offset: 1 })).toEqual([
      ["docs", "annabel"],
    ]);
    expect(await items.listNamespaces({ suffix: ["bob"] })).toEqual([["docs", "bob"]]);
    expect(await items.listNamespaces({ prefix: ["*", "ann"] })).toEqual([["docs", "ann"]]);
    expect(await items.listNamespaces({ prefix: ["docs", "*", "x"] })).toEqual([]);
  });

  it("runs a batch: reads see what was there before it, and the last put of an item counts", async () => {
    const { items } = storeOn(store);
    await items.put(["a"], "key", { n: 0 });
    const results = await items.batch([
      { namespace: ["a"], key: "key", value: { n: 1 } },
      { namespace: ["a"], key: "key" },
      { namespacePrefix: ["a"] },
      { namespace: ["a"], key: "key", value: { n: 2 } },
      { limit: 10, offset: 0 },
      { namespace: ["a"], key: "none" },
    ]);
    expect(results).toMatchObject([
      undefined,
      { value: { n: 0 } },
      [{ value: { n: 0 } }],
      undefined,
      [["a"]],
      null,
    ]);
    expect((await items.get(["a"], "key"))?.value).toEqual({ n: 2 });
  });

  it("takes labels and keys of any characters", async () => {
    const { items } = storeOn(store);
    const labels = ["a/b", "%2f", ":", ".", "", "ü🎈", "\u0000", "\uD800"];
    for (const label of labels) {
      const at = { namespace: [label, "x"], key: `${label}/k` };
      await items.batch([{ ...at, value: { label } }]);
      const [item] = await items.batch([at]);
      expect(item).toMatchObject({ ...at, value: { label } });
    }
    const [namespaces] = await items.batch([{ limit: 100, offset: 0 }]);
    expect(namespaces).toHaveLength(labels.length);
    expect(namespaces).toEqual(expect.arrayContaining(labels.map((label) => [label, "x"])));
    const [found] = await items.batch([{ namespacePrefix: ["a/b"] }]);
    expect(found).toMatchObject([{ key: "a/b/k" }]);
  });

  it("refuses what no item can be", async () => {
    const { items } = storeOn(store);
    expect(await rejection(items.put([], "key", {}))).toBeInstanceOf(InvalidNamespaceError);
    expect(await rejection(items.put(["a.b"], "key", {}))).toBeInstanceOf(InvalidNamespaceError);
    expect(await rejection(items.batch([{ namespace: [], key: "k" }]))).toBeInstanceOf(TypeError);
    const noKey = Object({ namespace: ["a"], key: 7 });
    expect(await rejection(items.batch([noKey]))).toBeInstanceOf(TypeError);
    expect(await rejection(items.put(["a"], "key", Object("text").valueOf()))).toBeInstanceOf(
      TypeError,
    );
    const error = await rejection(
      items.put(["a"], "key", { at: { fn: () => 1 } }),
      "STATE_NOT_SERIALIZABLE",
    );
    expect(error["path"]).toBe("value.at.fn");
    expect(await items.get(["a"], "key")).toBeNull();
  });

  it("keeps no item in memory", async () => {
    const { items, runtime } = storeOn(store);
    await fill(items);
    await items.search([]);
    expect(runtime.residentScopes).toBe(0);
  });
});
