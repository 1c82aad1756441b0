import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { thisProcess } from "../../../../src/stores/shared/process-identity.ts";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { HOSTILE_KEYS } from "../../../../src/testing/suite-data.ts";
import { collect } from "../../../support/collect.ts";
import { testDirectory } from "../../../support/directory.ts";

const root = testDirectory("file-own");
const create = (key: string) => ({ key, expectedVersion: 0, version: 1, state: 1 });

function lockOf(dir: string, holder: object): void {
  mkdirSync(dir, { recursive: true });
  const another = { instance: "another", start: "", released: false };
  const whole = { ...thisProcess(), ...another, ...holder };
  writeFileSync(join(dir, "lock.4"), JSON.stringify(whole));
}

describe("the directory", () => {
  it("holds files of fixed names that only their owner can read, and no others", async () => {
    const dir = join(root, "names");
    const store = fileStore({ dir });
    await store.commit(HOSTILE_KEYS.map(create));
    const names = readdirSync(join(dir, "records"));
    expect(names).toHaveLength(HOSTILE_KEYS.length);
    for (const name of names) {
      expect(name).toMatch(/^[0-9a-f]{64}$/);
      expect(statSync(join(dir, "records", name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const beside = readdirSync(dir).map((name) => name.replace(/^tmp-[\da-f-]{36}$/, "tmp-*"));
    expect(beside.toSorted()).toEqual(["corrupt", "lock.1", "records", "tmp-*"]);
    expect(readdirSync(root)).toEqual(["names"]);
    await store.close();
  });

  it("is refused to a second store object, until the first is closed", async () => {
    const dir = join(root, "second");
    const first = fileStore({ dir });
    await first.load(["k"]);
    const second = fileStore({ dir });
    await expect(second.load(["k"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("another store object of this process"),
    });
    await first.close();
    expect(await second.load(["k"])).toEqual([undefined]);
    await second.close();
  });

  it("goes to exactly one of many that find a dead owner", async () => {
    const dir = join(root, "race");
    lockOf(dir, { start: "another boot/1" });
    const stores = Array.from({ length: 10 }, () => fileStore({ dir }));
    const outcomes = await Promise.allSettled(stores.map((store) => store.load(["k"])));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    await Promise.all(stores.map((store) => store.close()));
  });

  it.each([
    ["of another host", { host: "elsewhere" }, "elsewhere"],
    ["that cannot be read", { pid: "none" }, "cannot be read"],
  ])("with a lock %s is refused with a way out", async (name, holder, message) => {
    const dir = join(root, name.replaceAll(" ", "-"));
    lockOf(dir, holder);
    const store = fileStore({ dir });
    await expect(store.load(["k"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringMatching(new RegExp(`${message}.*remove`)),
    });
    await store.close();
  });

  it("is cleared of what a killed process left half written", async () => {
    const dir = join(root, "left");
    mkdirSync(join(dir, "tmp"), { recursive: true });
    writeFileSync(join(dir, "tmp", "half"), "half");
    writeFileSync(join(dir, "lock-draft"), "{");
    const store = fileStore({ dir });
    await store.commit([create("k")]);
    expect(existsSync(join(dir, "tmp", "half"))).toBe(false);
    expect(existsSync(join(dir, "lock-draft"))).toBe(false);
    await store.close();
  });
});

describe("a damaged document", () => {
  it("is kept aside; its key stays damaged also after opening again, until it is removed", async () => {
    const dir = join(root, "aside");
    const first = fileStore({ dir });
    await first.commit([create("bad"), create("good")]);
    await first.close();
    const records = join(dir, "records");
    const bad = readdirSync(records).find((name) =>
      readFileSync(join(records, name), "utf8").includes('"bad"'),
    );
    writeFileSync(join(records, bad ?? ""), "damaged");
    for (let opening = 0; opening < 2; opening += 1) {
      const store = fileStore({ dir });
      const location = join(dir, "corrupt", bad ?? "");
      await expect(store.load(["bad"])).rejects.toMatchObject({ code: "CORRUPT_STATE", location });
      const writes = [{ ...create("good"), expectedVersion: 1, version: 2 }, create("bad")];
      await expect(store.commit(writes)).rejects.toMatchObject({ code: "CORRUPT_STATE" });
      // T6: nothing of that batch took effect.
      expect(await store.load(["good"])).toEqual([{ version: 1, state: 1 }]);
      const keys: string[] = [];
      for await (const key of store.list()) keys.push(key);
      expect(keys).toEqual(["good"]);
      expect(readFileSync(location, "utf8")).toBe("damaged");
      await store.close();
    }
  });
});

it("refuses a batch that must be atomic, and a directory without a name", async () => {
  const store = fileStore({ dir: join(root, "atomic") });
  await expect(store.commit([create("a"), create("b")], { atomic: true })).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
  });
  expect(await store.load(["a", "b"])).toEqual([undefined, undefined]);
  await store.close();
  expect(() => fileStore({ dir: "" })).toThrow(TypeError);
});

it("a key that is erased while the index of all keys is made is not in it", async () => {
  const dir = join(root, "index");
  const keys = Array.from({ length: 400 }, (_, at) => `k${at}`);
  const before = fileStore({ dir, fsync: false });
  await before.commit(keys.map(create));
  await before.close();
  const store = fileStore({ dir, fsync: false });
  await store.load([]);
  const listed = collect(store.list());
  await store.erase?.(keys);
  await listed;
  expect(await collect(store.list())).toEqual([]);
  const made = await store.commit(keys.map(create));
  expect(made.filter(({ ok }) => !ok)).toEqual([]);
  await store.close();
});
