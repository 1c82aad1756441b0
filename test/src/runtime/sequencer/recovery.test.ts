/** What a recovery keeps of runs that can become due (B1 of src/runtime/sequencer/recovery.ts). */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it, onTestFinished } from "vitest";
import { defineSequencer, type Runtime } from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { testDirectory } from "../../../support/directory.ts";
import { runtimeOn } from "../../../support/sequencer.ts";
import { settled } from "../../../support/waiting.ts";

setFlagsFromString("--expose-gc");
/** Collects garbage; the new context has the function that this one was made without. */
const collect = runInNewContext("gc") as () => void;

const dir = testDirectory("recovery");
const COUNT = 100;
const LENGTH = 200_000;

function open(): Runtime {
  const runtime = runtimeOn(sqliteStore({ path: `${dir}/runs.db` }));
  onTestFinished(() => runtime.close());
  return runtime;
}

it("keeps the times of runs, and not what they hold", async () => {
  const order = defineSequencer({ name: "order", state: { note: "" } })
    .step("note", async (ctx) => {
      await ctx.setState({ note: ctx.runId.padEnd(LENGTH, "x") });
    })
    .step("ask", (ctx) => ctx.suspend({ reason: "go?", timeoutMs: Number(ctx.input) }));
  const first = open();
  for (let n = 0; n < COUNT; n += 1)
    await first.run(order, { runId: `order-${n}`, input: 86_400_000 }).result;
  await first.run(order, { runId: "over", input: 1 }).result;
  await first.close();

  const runtime = open();
  const over = runtime.watchRun("over");
  expect((await over.next()).value?.type).toBe("started");
  collect();
  const before = process.memoryUsage().heapUsed;
  const recovery = runtime.recover([order], { intervalMs: 10 });
  onTestFinished(() => recovery.stop());
  // It is resumed when all runs have been looked at, and fails because its question timed out.
  const rest: (string | undefined)[] = [];
  for await (const { type } of over) rest.push(type);
  expect(rest.at(-1)).toBe("failed");
  await settled();
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan((COUNT * LENGTH) / 4);
});
