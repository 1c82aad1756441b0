/**
 * A child process that runs one sequencer run after another and writes each started step and each effect
 * to a log: `kind dir log first release`. It is meant to be killed. An odd release has one more step in
 * the middle, so that a run that was cut off may meet other steps than those it began with.
 */
import { once } from "node:events";
import { appendFileSync, writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { createRuntime, defineSequencer, step, type Step } from "../../src/index.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", dir = "", log = "", first = "0", release = "0"] = process.argv;
const STEPS = 6;
type Sum = { sum: number };

const steps: Step<Sum>[] = Array.from({ length: STEPS }, (_, index) =>
  step<Sum>(`step ${index}`, async (context) => {
    appendFileSync(log, `step ${context.runId} ${index}\n`);
    await context.runOnce(`effect ${index}`, () => {
      appendFileSync(log, `effect ${context.runId} ${index}\n`);
      return index;
    });
    await context.incState({ sum: 10 ** index });
    await turn();
    return index;
  }),
);
if (Number(release) % 2 === 1)
  steps.splice(
    3,
    0,
    step<Sum>("look", () => turn()),
  );

const sequence = defineSequencer<Sum>({
  name: "sequence",
  state: { sum: 0 },
  steps,
  onChange: ({ runId, stored, stepIndex }) => {
    appendFileSync(log, `changed ${runId}\n`);
    const finished = stored.slice(0, stepIndex).filter((name) => name !== "look");
    return `step ${finished.length}`;
  },
});

await once(process.stdin, "data");
const runtime = createRuntime({ store: openStore(kind, dir) });
for (let run = Number(first); ; run += 1) {
  const outcome = await runtime.run(sequence, { runId: `run-${run}` }).result;
  if (outcome.status !== "completed") throw new Error(`run ${run} ended as ${outcome.status}`);
  writeSync(1, `done ${run} ${JSON.stringify(outcome.state)}\n`);
}
