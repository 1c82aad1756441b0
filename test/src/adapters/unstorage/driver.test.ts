/** The driver of unstorage: what every driver must do, on each store. */
import { createStorage, type Storage } from "unstorage";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, memoryStore, type Runtime } from "../../../../src/index.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { holdfastDriver } from "../../../../src/unstorage.ts";
import { until } from "../../../support/waiting.ts";
import { watchedStores } from "../../../support/watched-store.ts";
import { onEachStore } from "../adapter-stores.ts";

await onEachStore("unstorage", (store) => {
  const runtime = store.open(store.fresh());
  const driver = holdfastDriver({ runtime });
  const storage: Storage = createStorage({ driver });
  afterAll(async () => {
    await storage.dispose();
    await runtime.close();
  });

  it("has no keys at first", async () => {
    expect(await storage.getKeys()).toEqual([]);
    expect([await storage.hasItem("s1:a"), await storage.getItem("s1:a")]).toEqual([false, null]);
  });

  it("gives back every value that is set", async () => {
    const values = {
      text: "tea",
      number: 1,
      zero: 0,
      no: false,
      list: [1, "a"],
      object: { a: {} },
    };
    for (const [name, value] of Object.entries(values)) await storage.setItem(`s1:${name}`, value);
    for (const [name, value] of Object.entries(values)) {
      expect(await storage.hasItem(`s1:${name}`)).toBe(true);
      expect(await storage.getItem(`s1:${name}`)).toEqual(value);
    }
    await storage.setItem("s1:text", "milk");
    expect(await storage.getItem("s1/text")).toBe("milk");
  });

  it("lists the keys of a base, and clears them", async () => {
    await storage.setItem("s2:a", 1);
    await storage.setItem("s2:b:c", 2);
    await storage.setItem("s20", 3);
    expect((await storage.getKeys("s2")).toSorted()).toEqual(["s2:a", "s2:b:c"]);
    await driver.clear?.("s2:", {}); // A storage clears whole mounts only.
    expect(await storage.getKeys("s2")).toEqual([]);
    expect(await storage.getItem("s20")).toBe(3);
    await storage.clear();
    expect(await storage.getKeys()).toEqual([]);
  });

  it("removes a key", async () => {
    await storage.setItem("s3:a", 1);
    await storage.removeItem("s3:a");
    await storage.removeItem("s3:a");
    expect(await storage.hasItem("s3:a")).toBe(false);
  });

  it("sets and gets many", async () => {
    const items = ["a", "b", "c"].map((name) => ({ key: `s4:${name}`, value: name }));
    await storage.setItems(items);
    expect(await storage.getItems([...items.map(({ key }) => key), "s4:none"])).toEqual([
      ...items,
      { key: "s4:none", value: null },
    ]);
  });

  it("keeps bytes as they are", async () => {
    const bytes = new Uint8Array([0, 1, 255]);
    await storage.setItemRaw("s5:bytes", bytes);
    expect(await storage.getItemRaw("s5:bytes")).toEqual(bytes);
  });

  it("keeps what belongs to a key beside it", async () => {
    await storage.setMeta("s6:a", { note: "tea" });
    expect(await storage.getMeta("s6:a")).toEqual({ note: "tea" });
  });
});

describe("a driver", () => {
  function open(options: Parameters<typeof createRuntime>[0] = {}): Runtime {
    const runtime = createRuntime(options);
    onTestFinished(() => runtime.close());
    return runtime;
  }

  it("reports changes, those made elsewhere on the runtime too", async () => {
    const runtime = open();
    const make = (): Storage =>
      createStorage({ driver: holdfastDriver({ runtime, prefix: "p/" }) });
    const [here, there] = [make(), make()];
    const seen: string[] = [];
    const end = await here.watch((event, key) => seen.push(`${event} ${key}`));
    await there.setItem("a", 1);
    await there.removeItem("a");
    await end();
    await there.setItem("b", 1);
    expect(seen).toEqual(["update a", "remove a"]);
  });

  it("reports what another process sets and removes, loaded here or not", async () => {
    const line = watchedStores(memoryStore());
    const [here, there] = [open({ store: line.open() }), open({ store: line.open() })].map(
      (runtime) => createStorage({ driver: holdfastDriver({ runtime }) }),
    );
    const seen: string[] = [];
    await here?.watch((event, key) => seen.push(`${event} ${key}`));
    await here?.setItem("loaded", 1);
    for (const key of ["loaded", "other"]) {
      const from = seen.length;
      await there?.setItem(key, 2);
      await until(() => seen.length === from + 1);
      await there?.removeItem(key);
      await until(() => seen.length === from + 2);
      expect(seen.slice(from)).toEqual([`update ${key}`, `remove ${key}`]);
    }
  });

  it("removes a value when its ttl is over", async () => {
    const clock = simulatedClock();
    const runtime = open({ clock });
    const storage = createStorage({ driver: holdfastDriver({ runtime, ttl: 10 }) });
    await storage.setItem("default", 1);
    await storage.setItem("own", 1, { ttl: 5 });
    await storage.setItem("always", 1, { ttl: Infinity });
    await clock.advance(5_000);
    expect((await storage.getKeys()).toSorted()).toEqual(["always", "default"]);
    await clock.advance(5_000);
    expect(await storage.getKeys()).toEqual(["always"]);
    expect(() => holdfastDriver({ runtime, ttl: 0 })).toThrow(RangeError);
  });

  it("gives copies, and leaves the runtime open", async () => {
    const runtime = open();
    const storage = createStorage({ driver: holdfastDriver({ runtime }) });
    await storage.setItemRaw("a", { list: [1] });
    const read = await storage.getItemRaw<{ list: number[] }>("a");
    read?.list.push(2);
    await storage.dispose();
    expect(await runtime.read("unstorage", ["a"])).toMatchObject([
      { state: { value: { list: [1] } } },
    ]);
  });
});
