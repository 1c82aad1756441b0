/** A slow reader of the events of a run (W1 of src/runtime/sequencer/run-watch.ts). */
import { expect, it } from "vitest";
import { createRuntime, defineSequencer, type StepContext } from "../../../../src/index.ts";

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
