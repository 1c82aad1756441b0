/** Cancelling a run here that another process has taken over. */
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { defineSequencer, memoryStore } from "../../../../src/index.ts";
import { runtimeOn, storedRun, writeRun } from "../../../support/sequencer.ts";
import { gate, rejection } from "../../../support/waiting.ts";

it("cancels a run that was taken over unnoticed where it executes now", async () => {
  const store = memoryStore();
  const runtime = runtimeOn(store);
  onTestFinished(() => runtime.close());
  const reached = gate();
  const order = defineSequencer({ name: "order" }).step("weigh", async ({ signal }) => {
    reached.open();
    await once(signal, "abort");
  });
  const run = runtime.run(order, { runId: "o-1" });
  await reached.promise;
  await writeRun(store, "o-1", (record) => ({ ...record, wakeAt: null }));
  expect(await runtime.cancel("o-1")).toBe(true);
  expect(await storedRun(store, "o-1")).toMatchObject({ status: "cancelled" });
  await rejection(run.result, "RUN_CANCELLED");
});
