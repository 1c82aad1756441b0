/** The bench of sequencers: steps per second, and from step to step, beside what npm brings. */
import type { StoreName } from "./contention/site.ts";
import { bullmq } from "./sequencer/bullmq.ts";
import { dbos } from "./sequencer/dbos.ts";
import { type Absent, type Done, type Engine, isRight, STEPS } from "./sequencer/engine.ts";
import { langgraph } from "./sequencer/langgraph.ts";
import { ours, WAYS_OF_OURS } from "./sequencer/ours.ts";
import { restate } from "./sequencer/restate.ts";
import { withServer } from "./servers/server.ts";
import { ServerAbsentError } from "./servers/contract.ts";
import {
  type Bench,
  type Contender,
  figure,
  median,
  race,
  type Section,
  type Timing,
} from "./support.ts";

const STORES = ["memory", "sqlite", "redis", "postgres"] as const;
const RUNS_AT_ONCE = 20;

type Engines = readonly (Engine | Absent)[];

/** The engines that use a store, ours first. */
async function enginesOn(store: StoreName): Promise<Engines> {
  const mine = WAYS_OF_OURS.map((way) => ours(store, way));
  if (store === "redis") return [...mine, await bullmq()];
  if (store === "postgres") return [...mine, await dbos()];
  return store === "sqlite" ? [...mine, await langgraph(), await restate()] : mine;
}

/** Calls back with the engines of all stores, while the servers are there. */
async function* withEngines(
  stores: readonly StoreName[],
  before: Engines,
  work: (engines: Engines) => AsyncIterable<Section>,
): AsyncIterable<Section> {
  const [store, ...others] = stores;
  if (store === undefined) {
    yield* work(before);
    return;
  }
  let isThere = false;
  try {
    yield* withServer(store, async function* measure() {
      isThere = true;
      const engines = await enginesOn(store);
      try {
        yield* withEngines(others, [...before, ...engines], work);
      } finally {
        for (const engine of engines) if ("run" in engine) await engine.close();
      }
    });
  } catch (error) {
    if (isThere || !(error instanceof ServerAbsentError)) throw error;
    const absent = { name: `all on ${store}`, reason: error.message };
    yield* withEngines(others, [...before, absent], work);
  }
}

/** Milliseconds between the starts of neighbours, of all runs. */
function gaps(done: readonly Done[]): number[] {
  return done.flatMap(({ starts }) => starts.slice(1).map((at, n) => at - (starts[n] ?? at)));
}

function contender(engine: Engine, count: number, times: Map<string, number[]>): Contender {
  return {
    name: engine.name,
    prepare: () => {
      let done: readonly Done[] = [];
      return {
        run: async () => {
          done = await engine.run(count);
        },
        check: () => {
          times.set(engine.name, [...(times.get(engine.name) ?? []), ...gaps(done)]);
          return done.length === count && done.every(isRight);
        },
      };
    },
  };
}

async function section(engines: Engines, count: number, rounds: number): Promise<Section> {
  const running = engines.filter((engine) => "run" in engine);
  const times = new Map<string, number[]>();
  const contenders = running.map((engine) => contender(engine, count, times));
  const base = running[0]?.name ?? "";
  const result = await race({ base, operations: STEPS * count, rounds, warmUps: 2, contenders });
  const timings = result.timings.map((timing): Timing => {
    const sorted = (times.get(timing.name) ?? []).toSorted((a, b) => a - b);
    const most = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    const extra = {
      "steps/s": figure(1e9 / timing.median),
      "step to step": `${figure(median(sorted))} ms`,
      "99 % in": `${figure(most)} ms`,
    };
    return Object.assign(timing, { extra });
  });
  const absent = engines.filter((engine) => "reason" in engine);
  return {
    title: `sequencer: ${count === 1 ? "one run" : `${count} runs at once`} of ${STEPS} steps, each adds 1`,
    notes: [
      "Times are per step. Peers store each step before the next begins. Ours: steps are stored in the",
      "background, all before the run resolves; steps of runOnce twice each, before the next begins;",
      "runOnce in one step stores each of the 100 once, before the next, as the steps of the peers.",
      ...absent.map(({ name, reason }) => `${name}: ${reason}`),
    ],
    timings,
    goals: [],
  };
}

/** One run, and runs at once. */
export const bench: Bench = {
  name: "sequencer",
  keptAs: () => undefined,
  sections({ rounds = 5, store }) {
    const stores = STORES.filter((each) => store === undefined || each === store);
    return withEngines(stores, [], async function* sections(engines) {
      for (const count of [1, RUNS_AT_ONCE]) yield await section(engines, count, rounds);
    });
  },
};
