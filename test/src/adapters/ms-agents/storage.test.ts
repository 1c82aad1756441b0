/** What both packages ask of a storage, on each store. */
import type { Storage as AgentsStorage } from "@microsoft/agents-hosting";
import type { Storage as BotStorage } from "botbuilder-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime } from "../../../../src/index.ts";
import { HoldfastStorage } from "../../../../src/ms-agents.ts";
import { rejection } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";

await onEachStore("ms-agents", ({ isDurable, isShared, fresh, open }) => {
  const use = (place = fresh()): HoldfastStorage => {
    const runtime = open(place);
    onTestFinished(() => runtime.close());
    return new HoldfastStorage({ runtime });
  };

  it("is a storage of both packages", async () => {
    const storage = use();
    const both: readonly (AgentsStorage | BotStorage)[] = [
      storage satisfies AgentsStorage,
      storage satisfies BotStorage,
    ];
    for (const each of both) {
      await each.write({ one: { n: 1 } });
      expect(await each.read(["one", "two"])).toMatchObject({ one: { n: 1 } });
    }
  });

  it("gives copies with a tag, of those keys that have an item", async () => {
    const storage = use();
    expect(await storage.read(["a"])).toEqual({});
    await storage.write({ a: { list: [1] }, b: { n: 2, eTag: "*" } });
    const items = await storage.read(["a", "b", "c"]);
    expect(items).toEqual({
      a: { list: [1], eTag: expect.any(String) as unknown },
      b: { n: 2, eTag: expect.any(String) as unknown },
    });
    items["a"].list.push(2);
    expect((await storage.read(["a"]))["a"].list).toEqual([1]);
  });

  it("writes by a tag once, and refuses one that is over", async () => {
    const storage = use();
    await storage.write({ a: { n: 1 } });
    const { a } = await storage.read(["a"]);
    await storage.write({ a: { ...a, n: 2 } });
    const error = await rejection(storage.write({ a: { ...a, n: 3 } }), "ETAG_CONFLICT");
    expect(error.message).toContain("eTag conflict");
    expect(error["key"]).toBe("a");
    expect((await storage.read(["a"]))["a"].n).toBe(2);
    await storage.write({ a: { n: 4, eTag: "*" } });
    await storage.write({ a: { n: 5, eTag: "" } });
    expect((await storage.read(["a"]))["a"].n).toBe(5);
  });

  it("refuses a tag from before a delete", async () => {
    const storage = use();
    await storage.write({ a: { n: 1 } });
    const { a } = await storage.read(["a"]);
    await storage.delete(["a", "unknown"]);
    await rejection(storage.write({ a }), "ETAG_CONFLICT");
    expect(await storage.read(["a"])).toEqual({});
    await storage.write({ a: { n: 1 } });
    await rejection(storage.write({ a }), "ETAG_CONFLICT");
  });

  it("lets one of writes at once with one tag take effect, of two processes, too", async () => {
    const place = fresh();
    const first = use(place);
    const other = isShared ? use(place) : first;
    await first.write({ a: { n: 0 } });
    const { a } = await first.read(["a"]);
    const results = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => (n % 2 === 0 ? first : other).write({ a: { ...a, n } })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("writes all items or none where the store can", async () => {
    const storage = use();
    await storage.write({ a: { n: 1 }, b: { n: 1 } });
    const { b } = await storage.read(["b"]);
    await storage.write({ b: { n: 2 } });
    await rejection(storage.write({ a: { n: 9 }, b }), "ETAG_CONFLICT");
    const { a } = await storage.read(["a"]);
    expect([1, 9]).toContain(a.n); // 9 on the file store, which has no transactions.
    expect((await storage.read(["b"]))["b"].n).toBe(2);
  });

  it("takes keys of any characters", async () => {
    const storage = use();
    const keys = ["__proto__", "a/b\\c", "*?:|", "ü\u0000😀", "!@#$%^&*()~"];
    for (const key of keys) await storage.write({ [key]: { key } });
    const items = await storage.read(keys);
    expect(keys.map((key) => items[key]?.key)).toEqual(keys);
  });

  if (isDurable)
    it("has the items after a restart", async () => {
      const place = fresh();
      const runtime = open(place);
      await new HoldfastStorage({ runtime }).write({ a: { n: 1 } });
      await runtime.close();
      expect((await use(place).read(["a"]))["a"].n).toBe(1);
    });
});

describe("a storage", () => {
  const runtime = createRuntime();
  const storage = new HoldfastStorage({ runtime });

  it("keeps items as JSON, as other storages do", async () => {
    class Order {
      at = new Date(0);
      run = (): void => undefined;
    }
    await storage.write({ a: { order: new Order(), left: undefined } });
    expect((await storage.read(["a"]))["a"]).toEqual({
      order: { at: "1970-01-01T00:00:00.000Z" },
      eTag: expect.any(String) as unknown,
    });
  });

  it("refuses what it cannot use", async () => {
    expect(() => new HoldfastStorage({} as never)).toThrow(/needs \{ runtime \}/);
    expect(() => new HoldfastStorage({ runtime, path: "x" } as never)).toThrow(/"path"/);
    expect(await rejection(storage.read(undefined as never))).toBeInstanceOf(ReferenceError);
    expect(await rejection(storage.write(undefined as never))).toBeInstanceOf(ReferenceError);
    expect(await rejection(storage.write({ x: 5 as never }))).toBeInstanceOf(TypeError);
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(await rejection(storage.write({ x: circle }))).toBeInstanceOf(TypeError);
    await storage.write({});
    expect(await storage.read(["x"])).toEqual({});
  });
});
