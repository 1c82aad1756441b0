/** Kills a writing child again and again and checks the states and histories it leaves. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/testing/random.ts";
import { type Child, startChild } from "../support/child.ts";
import { HISTORY_KEPT, openStore, stateAt } from "./open-store.ts";

const KEYS = 8;
const LONGEST_MS = 60;

function readAnswers(output: string, answered: Map<number, number>): void {
  // The last line may be cut; whole ones end with a line feed.
  for (const line of output.split("\n").slice(0, -1)) {
    const [key, version] = line.split(" ").map(Number);
    assert.ok(key !== undefined && version !== undefined);
    answered.set(key, version);
  }
}

async function check(kind: string, dir: string, answered: Map<number, number>): Promise<number> {
  const store = openStore(kind, dir);
  let total = 0;
  for (let key = 0; key < KEYS; key += 1) {
    const [record] = await store.load([`k${key}`]);
    const least = answered.get(key) ?? 0;
    const version = record?.version ?? 0;
    assert.ok(version >= least, `${kind} k${key}: answered ${least}, found ${version}`);
    assert.ok(version <= least + 1, `${kind} k${key}: at most one write was in flight`);
    if (record !== undefined) assert.deepEqual(record.state, stateAt(key, version));
    const rows = await store.history?.(`k${key}`);
    const kept = Array.from({ length: Math.min(version, HISTORY_KEPT) }, (_, at) => version - at);
    if (rows !== undefined && store.supports.history === true)
      assert.deepEqual(
        rows.map(({ version: made, entry }) => [made, entry]),
        kept.map((made) => [made, `change ${made}`]),
      );
    answered.set(key, version);
    total += version;
  }
  await store.close();
  return total;
}

/** Runs `cycles` cycles on one set of data; answers how many writes were made in all. */
export async function killCycles(kind: string, dir: string, cycles: number): Promise<number> {
  const random = seededRandom(20);
  const answered = new Map<number, number>();
  const start = (): Child => startChild("writer.ts", [kind, dir, String(KEYS)]);
  let total = 0;
  let child = start();
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    child.begin();
    await child.started;
    await sleep(random() * LONGEST_MS);
    child.process.kill("SIGKILL");
    assert.equal(await child.closed, null, "the child was killed, it did not end by itself");
    readAnswers(child.output(), answered);
    child = start();
    total = await check(kind, dir, answered);
  }
  child.process.kill("SIGKILL");
  await child.closed;
  return total;
}
