/** Cancelling a run between its states: taken over by another process, being started. */
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { defineSequencer, memoryStore, type StateStore } from "../../../../src/index.ts";
import { memoryView, runtimeOn, storedRun, writeRun } from "../../../support/sequencer.ts";
import { gate, rejection, settled } from "../../../support/waiting.ts";

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

it("cancels a run whose start is being stored", async () => {
  const held = gate();
  const inner = memoryStore();
  const store: StateStore = {
    ...memoryView(inner),
    async commit(...given) {
      await held.promise;
      return inner.commit(...given);
    },
  };
  const runtime = runtimeOn(store);
  onTestFinished(() => runtime.close());
  const order = defineSequencer({ name: "order" })
    .step("weigh", (ctx) => ctx.sleep(60_000))
    .step("send", () => "sent");
  const run = runtime.run(order, { runId: "o-2" });
  const failure = rejection(run.result, "RUN_CANCELLED");
  await settled();
  const cancelled = runtime.cancel("o-2");
  await settled();
  held.open();
  expect(await cancelled).toBe(true);
  await failure;
  expect(await storedRun(inner, "o-2")).toMatchObject({ status: "cancelled" });
});
