/**
 * A child process on the store of `kind` at `place`: `kind place steps point`.
 *
 * With a number as point it starts the run of that number and kills itself there; points count
 * the begin of a step, the inside and the end of its value, and those of its transaction. With
 * `recover` it recovers these runs, and prints their outputs and what their transactions have
 * counted. With `poison` it starts a run whose step kills its process; `abandon` recovers that.
 */
import { createRuntime, defineSequencer, type StepContext } from "../../src/index.ts";
import { openStore } from "./open-store.ts";

/** How often recovery starts the step that kills its process. */
const MAX_STARTS = 2;

const [, , kind = "", place = "", steps = "", point = ""] = process.argv;
const deadline = /^\d+$/.test(point) ? Number(point) : Infinity;
let reached = 0;

function kill(): void {
  process.kill(process.pid, "SIGKILL");
}

function pass(): void {
  reached += 1;
  if (reached > deadline) kill();
}

function tick(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
}

// The failure of the run that is given up is what the test asks for.
const logger = { warn: () => undefined, error: () => undefined };
const quiet = point === "abandon" ? { logger } : {};
const runtime = createRuntime({ store: openStore(kind, place), ...quiet });

async function work(ctx: StepContext): Promise<string> {
  pass();
  const value = await ctx.runOnce("value", async () => {
    pass();
    await tick();
    return ctx.stepName;
  });
  pass();
  const counted = await runtime.open<{ n?: number }>("user", ctx.runId);
  await ctx.transact([counted], ([draft]) => {
    pass();
    draft.n = (draft.n ?? 0) + 1;
  });
  pass();
  return typeof ctx.previous === "string" ? `${ctx.previous}${value}` : value;
}

const sequence = ["a", "b", "c", "d", "e", "f", "g", "h"]
  .slice(0, Number(steps))
  .reduce(
    (declared, name) => declared.step(name, work),
    defineSequencer<Record<string, unknown>, unknown, unknown>({ name: "recovered", steps: [] }),
  );
const poison = defineSequencer({ name: "poison" }).step("kill", async () => {
  kill();
  await tick();
});

async function recovered(): Promise<void> {
  const [of, options] = point === "abandon" ? [poison, { maxStarts: MAX_STARTS }] : [sequence, {}];
  const { name: sequencer } = of;
  runtime.recover([of], { intervalMs: 20, ...options });
  for (let running = true; running;) {
    running = false;
    for await (const { status } of runtime.runs({ sequencer })) running ||= status === "running";
    await tick();
  }
  for await (const { runId, status, error } of runtime.runs({ sequencer })) {
    const [latest] = await runtime.checkpoints(runId);
    const [counted] = await runtime.read<{ n?: number }>("user", [runId]);
    const end = error?.code ?? `${String(latest?.outputs.at(-1))} ${counted?.state.n ?? 0}`;
    process.stdout.write(`${runId} ${status} ${end}\n`);
  }
}

if (point === "recover" || point === "abandon") await recovered();
else await runtime.run(point === "poison" ? poison : sequence, { runId: `run-${point}` }).result;
await runtime.close();
