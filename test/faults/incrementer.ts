/**
 * A child process that adds to a shared counter by compare-and-set, and to a counter of its own in
 * an exclusive turn, a batch and a large record: `kind place times`. It fails when a read is behind what
 * it has seen.
 */
import { deepStrictEqual } from "node:assert/strict";
import type { ScopeWrite } from "../../src/stores/contract.ts";
import { openStore } from "./open-store.ts";

const OTHERS_EVERY = 25;
const [, , kind = "", place = "", times = "1"] = process.argv;
const store = openStore(kind, place);
const own = [`own-${process.pid}-small`, `own-${process.pid}-large`];
const text = "x".repeat(10_000);
let seen = 0;

async function add(): Promise<boolean> {
  const [record] = await store.load(["counter"]);
  const { version, state } = record ?? { version: 0, state: 0 };
  if (version < seen) throw new Error(`version ${version} read after ${seen}`);
  const next = { key: "counter", expectedVersion: version, version: version + 1 };
  const [result] = await store.commit([{ ...next, state: Number(state) + 1 }]);
  seen = result?.ok === true ? version + 1 : version;
  return result?.ok === true;
}

function ownWrites(version: number): ScopeWrite[] {
  return own.map((key, index) => ({
    key,
    expectedVersion: version - 1,
    version,
    state: { version, text: index === 0 ? "" : text },
    patches: [{ op: "replace", path: ["version"], value: version }],
  }));
}

async function addOwn(version: number): Promise<void> {
  const writes = ownWrites(version);
  const results = await store.commit(writes, { atomic: true });
  deepStrictEqual(
    results,
    writes.map(() => ({ ok: true, version })),
  );
  const records = await store.load(own);
  deepStrictEqual(
    records.map((record) => ({ version: record?.version, state: record?.state })),
    writes.map(({ state }) => ({ version, state })),
  );
  for await (const key of store.list({ prefix: "own-" })) deepStrictEqual(typeof key, "string");
}

for (let done = 0; done < Number(times);) {
  if (!(await add())) continue;
  done += 1;
  const turn = done / OTHERS_EVERY;
  if (Number.isInteger(turn)) await store.exclusive?.("shared", 60_000, () => addOwn(turn));
}
await store.close();
