/** Readers of the events of a run (src/runtime/sequencer/run-watch.ts). */
import { expect, it, onTestFinished } from "vitest";
import {
  createRuntime,
  defineSequencer,
  memoryStore,
  type StateStore,
  type StepContext,
} from "../../../../src/index.ts";
import { runtimeOn } from "../../../support/sequencer.ts";
import { gate, rejection, settled } from "../../../support/waiting.ts";
import { watchedStores } from "../../../support/watched-store.ts";

it("gives a slow reader every step, however many records it has missed", async () => {
  const runtime = createRuntime();
  const names = Array.from({ length: 150 }, (_, n) => `s${n}`);
  const steps = names.map((name) => ({
    name,
    run: (ctx: StepContext) => ctx.runOnce("k", () => 1),
  }));
  const run = runtime.run(defineSequencer({ name: "long", steps }));
  const events = run.events();
  await run.result;
  const seen: string[] = [];
  for await (const event of events) seen.push(event.type === "step" ? event.step : event.type);
  expect(seen).toEqual(["started", ...names, "completed"]);
  await runtime.close();
});

it("follows a failed run that goes on, also when its failure is read before that", async () => {
  const line = watchedStores(memoryStore());
  const open = line.open();
  const there = runtimeOn(line.open());
  const taken = gate();
  const store: StateStore = {
    ...open,
    commit: async (...given) => {
      await taken.promise;
      return open.commit(...given);
    },
  };
  const here = runtimeOn(store);
  onTestFinished(async () => {
    await Promise.all([here.close(), there.close()]);
  });
  let isBroken = true;
  const order = defineSequencer({ name: "order" }).step("weigh", () => {
    if (isBroken) throw new Error("no scales");
    return "18 g";
  });
  await rejection(there.run(order, { runId: "o-1" }).result);
  isBroken = false;
  const run = here.run(order, { runId: "o-1" });
  const events = run.events();
  await settled();
  line.mend(); // Each reader reads its run, for reports may have been lost.
  await settled();
  taken.open();
  await run.result;
  const seen: string[] = [];
  for await (const { type } of events) seen.push(type);
  expect(seen).toEqual(["started", "step", "completed"]);
});
