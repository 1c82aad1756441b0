/**
 * A child process that runs one sequencer run after another and writes each started step and each effect
 * to a log: `kind dir log first`. It is meant to be killed.
 */
import { once } from "node:events";
import { appendFileSync, writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { createRuntime, defineSequencer, step } from "../../src/index.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", dir = "", log = "", first = "0"] = process.argv;
const STEPS = 6;

const sequence = defineSequencer<{ sum: number }>({
  name: "sequence",
  state: { sum: 0 },
  steps: Array.from({ length: STEPS }, (_, index) =>
    step<{ sum: number }>(`step ${index}`, async (context) => {
      appendFileSync(log, `step ${context.runId} ${index}\n`);
      await context.runOnce(`effect ${index}`, () => {
        appendFileSync(log, `effect ${context.runId} ${index}\n`);
        return index;
      });
      await context.incState({ sum: 10 ** index });
      await turn();
      return index;
    }),
  ),
});

await once(process.stdin, "data");
const runtime = createRuntime({ store: openStore(kind, dir) });
for (let run = Number(first); ; run += 1) {
  const outcome = await runtime.run(sequence, { runId: `run-${run}` }).result;
  if (outcome.status !== "completed") throw new Error(`run ${run} ended as ${outcome.status}`);
  writeSync(1, `done ${run} ${JSON.stringify(outcome.state)}\n`);
}
