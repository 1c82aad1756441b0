/**
 * A child process that starts one run and kills itself at a point of it, or recovers all runs and prints
 * their outputs: `kind place point`. Points count the begin, the middle and the end of each effect.
 */
import { createRuntime, defineSequencer } from "../../src/index.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", point = ""] = process.argv;
const deadline = point === "recover" ? Infinity : Number(point);
let reached = 0;

function pass(): void {
  reached += 1;
  if (reached > deadline) process.kill(process.pid, "SIGKILL");
}

const sequence = ["a", "b", "c"].reduce(
  (declared, name) =>
    declared.step(name, async (ctx) => {
      pass();
      const value = await ctx.runOnce(name, async () => {
        pass();
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
        return name;
      });
      pass();
      return typeof ctx.previous === "string" ? `${ctx.previous}${value}` : value;
    }),
  defineSequencer<Record<string, unknown>, unknown, unknown>({ name: "recovered", steps: [] }),
);

const runtime = createRuntime({ store: openStore(kind, place) });
if (point === "recover") {
  runtime.recover([sequence], { intervalMs: 20 });
  for (let running = true; running;) {
    running = false;
    for await (const { status } of runtime.runs()) running ||= status === "running";
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  for await (const { runId, status } of runtime.runs()) {
    const [latest] = await runtime.checkpoints(runId);
    process.stdout.write(`${runId} ${status} ${String(latest?.outputs.at(-1))}\n`);
  }
} else await runtime.run(sequence, { runId: `run-${point}` }).result;
await runtime.close();
