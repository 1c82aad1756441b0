/** What a batch keeps of the senders that it has called. */
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { BatchPerTick, type Sender } from "../../../../src/stores/shared/batch-per-tick.ts";

setFlagsFromString("--expose-gc");
// It is there once the flag is set.
const collect = runInNewContext("gc") as () => void;

const MAX = 256;

it("lets go of called senders, also while some always wait", async () => {
  const batch = new BatchPerTick<number, number>({
    run: (requests) => Promise.resolve(requests),
    isOfOne: () => false,
    isImmediate: false,
  });
  const made: WeakRef<Sender>[] = [];
  const gather = (count: number): void => {
    for (let at = 0; at < count; at += 1) {
      const sender = { send: () => void batch.add(at) };
      made.push(new WeakRef(sender));
      batch.gather(sender);
    }
  };
  gather(MAX + 1);
  for (let passed = 0; passed < 20; passed += 1) {
    gather(MAX);
    await turn();
  }
  await turn();
  collect();
  const alive = made.filter((sender) => sender.deref() !== undefined);
  expect(alive.length).toBeLessThan(4 * MAX);
});
