/** The sequencers of this library. */
import type { Sequencer } from "../../src/runtime/sequencer/define.ts";
import { createPlace } from "../contention/place.ts";
import type { StoreName } from "../contention/site.ts";
import { createRuntime, defineSequencer, step } from "../subject.ts";
import { type Engine, runIds, Starts, STEPS } from "./engine.ts";

/** The ways to write the 100. */
export const WAYS_OF_OURS = ["steps", "steps of runOnce", "runOnce in one step"] as const;

type Way = (typeof WAYS_OF_OURS)[number];

/** Each way; the comments say when each of the 100 is stored. */
const SEQUENCERS: Readonly<Record<Way, (starts: Starts) => Sequencer>> = {
  /** In the background, the last one before the run resolves. */
  steps: (starts) => counting(starts, (_, add) => add()),
  /** Twice, before the next step begins: the value, then the end of the step. */
  "steps of runOnce": (starts) => counting(starts, (context, add) => context.runOnce("add", add)),
  /** Once, before the next call begins. */
  "runOnce in one step": (starts) =>
    defineSequencer({
      name: "count",
      steps: [
        step("all", async (context) => {
          let value = 0;
          for (let index = 0; index < STEPS; index += 1) {
            const before = value;
            const add = (): number => starts.next(context.runId, before);
            value = await context.runOnce(`add-${index}`, add);
          }
          return value;
        }),
      ],
    }),
};

/** On a fresh place of a store. */
export function ours(store: StoreName, way: Way): Engine {
  const starts = new Starts();
  const sequencer = SEQUENCERS[way](starts);
  const runtime = createRuntime({ store: createPlace(store).store });
  return {
    name: `holdfast, ${store}, ${way}`,
    run: (count) =>
      Promise.all(
        runIds(count).map(async (runId) => {
          const outcome = await runtime.run(sequencer, { runId }).result;
          return starts.done(runId, outcome.status === "completed" ? Number(outcome.output) : 0);
        }),
      ),
    close: () => runtime.close(),
  };
}

interface Context {
  readonly runId: string;
  runOnce<T>(key: string, work: () => T): Promise<T>;
}

function counting(
  starts: Starts,
  run: (context: Context, add: () => number) => number | Promise<number>,
): Sequencer {
  const steps = Array.from({ length: STEPS }, (_, index) =>
    step(`step-${index}`, (context) =>
      run(context, () => starts.next(context.runId, Number(context.previous ?? 0))),
    ),
  );
  return defineSequencer({ name: "count", steps });
}
