/** S1: what a sequencer of six steps costs beyond the commits it must make. */
import type { Sequencer } from "../../src/runtime/sequencer/define.ts";
import type { Processes } from "../../src/stores/sqlite/build.ts";
import { createRuntime, defineSequencer, step } from "../subject.ts";
import { atMost, race, type Contender, type Section } from "../support.ts";
import { counting } from "./counted.ts";
import { createPlace } from "./place.ts";
import { openBare, type FileUse } from "./site.ts";

interface Progress extends Record<string, unknown> {
  readonly done: number;
}

const NAMES = ["validate", "reserve", "charge", "ship", "notify", "close"];
const VOLATILE_RUNS = 500;
/** With 100, V8 still interprets most of the code of a store after three warm-up rounds. */
const STORED_RUNS = 500;

const order: Sequencer<Progress> = defineSequencer<Progress>({
  name: "order",
  state: { done: 0 },
  steps: NAMES.map((name, index) =>
    step<Progress>(name, async (context) => {
      await context.incState({ done: 1 });
      return index;
    }),
  ),
});

/** Runs, one after the other, each awaited; `onCommits` receives the commits of each run. */
function running(
  name: string,
  operations: number,
  { stored, onCommits }: { stored?: Processes; onCommits?: (commits: number) => void },
): Contender {
  return {
    name,
    operations,
    prepare: () => {
      const counted = counting(
        createPlace(stored === undefined ? "memory" : "sqlite", stored).store,
      );
      const kinds = stored !== undefined ? {} : { sequencer: { durability: "volatile" as const } };
      const runtime = createRuntime({ store: counted.store, kinds });
      let completed = 0;
      return {
        run: async () => {
          for (let run = 0; run < operations; run++) {
            const outcome = await runtime.run(order, { runId: `order-${run}` }).result;
            if (outcome.status !== "completed") continue;
            if (outcome.state.done === NAMES.length) completed += 1;
          }
        },
        check: async () => {
          onCommits?.(counted.commits / operations);
          await runtime.close();
          return completed === operations;
        },
      };
    },
  };
}

/** The same steps as bare async calls, and as many bare commits as the run made. */
function committing(name: string, processes: Processes, commits: () => number): Contender {
  const operations = STORED_RUNS;
  return {
    name,
    operations,
    prepare: () => {
      const database = openBare(createPlace("sqlite").path, processes);
      const insert = database.prepare("INSERT INTO record VALUES (?, 1, ?)");
      const update = database.prepare(
        "UPDATE record SET version = version + 1, state = ? WHERE key = ?",
      );
      const record = { sequencer: "order", status: "running", outputs: NAMES.map(() => 0) };
      return {
        run: () => {
          for (let run = 0; run < operations; run++) {
            const key = `order-${run}`;
            insert.run(key, JSON.stringify(record));
            for (let commit = 1; commit < Math.round(commits()); commit++)
              update.run(JSON.stringify({ ...record, stepIndex: commit }), key);
          }
        },
        check: () => {
          const rows = database.prepare("SELECT key FROM record").all();
          database.close();
          return rows.length === operations;
        },
      };
    },
  };
}

/** S1. */
export async function sequencerSection(
  { processes, journal }: FileUse,
  rounds = 5,
): Promise<Section> {
  let commits = NAMES.length;
  const names = {
    bare: "bare commits, sqlite",
    stored: "sequencer, checkpointed on sqlite",
    volatile: "sequencer, volatile",
  };
  const contenders = [
    running(names.stored, STORED_RUNS, {
      stored: processes,
      onCommits: (made) => {
        commits = made;
      },
    }),
    committing(names.bare, processes, () => commits),
    running(names.volatile, VOLATILE_RUNS, {}),
  ];
  const result = await race({ base: names.bare, operations: STORED_RUNS, rounds, contenders });
  const work = "a run of 6 steps";
  return {
    title: `S1: a sequencer of 6 steps, each adding to its state, sqlite, synchronous FULL, ${journal}`,
    notes: [
      "Times are per run.",
      `A stored run asked its store for ${commits.toFixed(1)} commits (checkpoints that wait are`,
      "folded); the bare contender makes as many by prepared statements.",
    ],
    timings: result.timings,
    goals: [
      atMost({ id: "S1", work: `${work}, volatile` }, result.time(names.volatile) / 1e3, 15, "µs"),
      atMost(
        { id: "S1", work: `${work}, checkpointed, ${journal}` },
        result.ratio(names.stored, names.bare),
        1.3,
        "× its bare commits",
      ),
    ],
  };
}
