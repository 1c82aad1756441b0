import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { StateStore, StoredRecord } from "../../src/stores/contract.ts";
import { seededRandom, type Random } from "../../src/testing/random.ts";
import { testDirectory } from "../support/directory.ts";
import { openStore, stateAt } from "./open-store.ts";

const CASES = process.env["TEST_SCALE"] === "nightly" ? 5000 : 120;
const KEYS = Array.from({ length: 12 }, (_, key) => `k${key}`);
const GONE = "gone";

async function fill(store: StateStore): Promise<void> {
  for (const [key, name] of KEYS.entries()) {
    for (let version = 1; version <= 4; version += 1) {
      await store.commit([
        {
          key: name,
          expectedVersion: version - 1,
          version,
          state: stateAt(key, version),
          patches:
            version === 1
              ? []
              : [
                  { op: "replace", path: ["n"], value: version },
                  { op: "replace", path: ["sum"], value: `${key}:${version}` },
                ],
        },
      ]);
    }
  }
  await store.commit([{ key: GONE, expectedVersion: 0, version: 7, state: undefined }]);
}

function expected(name: string): StoredRecord {
  if (name === GONE) return { version: 7, state: undefined };
  return { version: 4, state: stateAt(KEYS.indexOf(name), 4) };
}

function damage(bytes: Buffer, random: Random): Buffer {
  const at = Math.floor(random() * bytes.length);
  if (random() < 0.3) return bytes.subarray(0, at);
  const flipped = Buffer.from(bytes);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  return flipped;
}

/** Loads every key; answers how many were reported as damaged. None may be wrong or seem absent. */
async function checkAll(store: StateStore, label: string): Promise<number> {
  let reported = 0;
  for (const name of [...KEYS, GONE]) {
    const outcome = await store.load([name]).catch((error: { code: string }) => error.code);
    if (typeof outcome === "string") {
      expect(["CORRUPT_STATE", "STORE_UNAVAILABLE"], label).toContain(outcome);
      reported += 1;
    } else expect(outcome, `${label}, ${name}`).toEqual([expected(name)]);
  }
  return reported;
}

it(
  "a damaged document is reported, until it is removed, and harms no other",
  async () => {
    const dir = testDirectory("damage-file");
    const whole = openStore("file", dir);
    await fill(whole);
    await whole.close();
    const records = join(dir, "file", "records");
    const names = readdirSync(records);
    const random = seededRandom(7);
    for (let at = 0; at < CASES; at += 1) {
      const name = names[Math.floor(random() * names.length)] ?? "";
      const path = join(records, name);
      const bytes = readFileSync(path);
      writeFileSync(path, damage(bytes, random));
      const aside = join(dir, "file", "corrupt", name);
      const store = openStore("file", dir);
      expect(await checkAll(store, `case ${at}`)).toBe(1);
      expect(await checkAll(store, `case ${at}, again`)).toBe(1);
      expect(readdirSync(join(dir, "file", "corrupt"))).toEqual([name]);
      await store.close();
      rmSync(aside);
      writeFileSync(path, bytes);
    }
  },
  CASES * 200,
);

it(
  "a damaged database is reported, never silently empty or wrong",
  async () => {
    const dir = testDirectory("damage-sqlite");
    const whole = openStore("sqlite", dir);
    await fill(whole);
    // Many small records, so that indexes are a good part of the file.
    const many = Array.from({ length: 400 }, (_, at) => `many/${at}`);
    await whole.commit(many.map((key) => ({ key, expectedVersion: 0, version: 1, state: key })));
    await whole.close();
    const bytes = readFileSync(join(dir, "store.db"));
    const random = seededRandom(8);
    let reported = 0;
    for (let at = 0; at < CASES; at += 1) {
      const copy = join(dir, String(at));
      mkdirSync(copy);
      writeFileSync(join(copy, "store.db"), damage(bytes, random));
      const store = openStore("sqlite", copy);
      reported += await checkAll(store, `case ${at}`);
      for (const name of many) {
        const outcome = await store.load([name]).catch(() => "reported");
        if (outcome !== "reported") expect(outcome).toEqual([{ version: 1, state: name }]);
      }
      await store.close();
      rmSync(copy, { recursive: true });
    }
    expect(reported).toBeGreaterThan(CASES / 4);
  },
  CASES * 200,
);
