/** The picture on the first page: 100 concurrent "+1" by three ways of writing. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { createRuntime } from "../../src/index.ts";
import { settled } from "../support/waiting.ts";

/** A counter far enough away that others run between a read and a write. */
class FarCounter {
  n = 0;
  version = 0;

  async load(): Promise<{ n: number; version: number }> {
    await turn();
    return { n: this.n, version: this.version };
  }

  async save(n: number, expectedVersion?: number): Promise<boolean> {
    await turn();
    if (expectedVersion !== undefined && expectedVersion !== this.version) return false;
    this.n = n;
    this.version += 1;
    return true;
  }
}

const hundred = <T>(work: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: 100 }, work));

it("load, change, save keeps 1 of 100", async () => {
  const counter = new FarCounter();
  await hundred(async () => counter.save((await counter.load()).n + 1));
  expect(counter.n).toBe(1);
});

it("compare-and-set with 3 retries after 10, 20 and 40 ms keeps a few of 100", async () => {
  const counter = new FarCounter();
  // All of one attempt wait equally long: they go on together, as by timers that keep their time.
  const waits = [10, 20, 40];
  const waiting: (() => void)[] = [];
  const sleep = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve));
  const all = hundred(async () => {
    for (const waitMs of [...waits, undefined]) {
      const { n, version } = await counter.load();
      if (await counter.save(n + 1, version)) return true;
      if (waitMs !== undefined) await sleep();
    }
    return false;
  });
  for (let wait = 0; wait < waits.length; wait += 1) {
    await settled();
    for (const go of waiting.splice(0)) go();
  }
  const answers = await all;
  const kept = answers.filter(Boolean).length;
  expect(counter.n).toBe(kept);
  // One per attempt: all are in step.
  expect(kept).toBe(4);
});

it("holdfast keeps 100 of 100", async () => {
  const runtime = createRuntime();
  const scope = await runtime.open<{ n?: number }>("session", "s");
  await hundred(() => scope.atomicState(({ n }) => ({ n: (n ?? 0) + 1 })));
  expect(scope.state.n).toBe(100);
  await runtime.close();
});
