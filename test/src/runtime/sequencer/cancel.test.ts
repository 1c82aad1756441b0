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

it("leaves a run that another process has completed, whose result is that process's", async () => {
  const store = memoryStore();
  const runtime = runtimeOn(store);
  onTestFinished(() => runtime.close());
  const reached = gate();
  const order = defineSequencer({ name: "order" }).step("weigh", async ({ signal }) => {
    reached.open();
    await once(signal, "abort");
  });
  const run = runtime.run(order, { runId: "o-3" });
  await reached.promise;
  const done = { status: "completed", stepIndex: 1, outputs: ["5 kg"], lease: null } as const;
  await writeRun(store, "o-3", (record) => ({ ...record, ...done }));
  const cancelled = runtime.cancel("o-3");
  const again = runtime.resume(order, "o-3");
  const outcome = { status: "completed", output: "5 kg" };
  expect(await cancelled).toBe(false);
  expect([await run.result, await again]).toMatchObject([outcome, outcome]);
  expect(await storedRun(store, "o-3")).toMatchObject(done);
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

it("says that a run was cancelled, also when its suspension is resumed", async () => {
  const runtime = runtimeOn(memoryStore());
  onTestFinished(() => runtime.close());
  const order = defineSequencer({ name: "order" }).step("approve", (ctx) => ctx.suspend("ok?"));
  const outcome = await runtime.run(order, { runId: "o-3" }).result;
  const suspension = outcome.status === "suspended" ? outcome.suspension.id : "";
  expect(await runtime.cancel("o-3")).toBe(true);
  await rejection(runtime.resume(order, "o-3", "yes", { suspension }), "RUN_CANCELLED");
  await rejection(runtime.resume(order, "o-3", "yes"), "RUN_CANCELLED");
});
