/** The bench of `holdfast/langgraph`: its checkpointer beside LangGraph's own for the same store. */
import { checkpointerPairs, type Opened, type Pair } from "./langgraph/savers.ts";
import { checkpoints, configOf, META, type Sample } from "./langgraph/states.ts";
import { type Bench, type Contender, race, type Section } from "./support.ts";

const SIZES_KB = [1, 100, 1_000] as const;
/** Checkpoints of a thread; of the largest states a tenth. */
const COUNT = 500;
const QUICK_COUNT = 50;
const WRITES = 4;

type Work = (opened: Opened, samples: readonly Sample[]) => Promise<number>;

/** What is measured; each gives how many operations it did. */
const WORKS: Readonly<Record<string, { readonly isFilled: boolean; readonly run: Work }>> = {
  put: { isFilled: false, run: ({ saver }, samples) => putAll(saver, samples) },
  putWrites: {
    isFilled: true,
    async run({ saver }, samples) {
      const { config } = (await saver.getTuple(configOf())) ?? { config: configOf() };
      for (const [at, { changed }] of samples.entries()) {
        const writes = Array.from({ length: WRITES }, (_, n): [string, unknown] => [
          `w${n}`,
          changed,
        ]);
        await saver.putWrites(config, writes.slice(0, 1 + (at % WRITES)), `task-${at}`);
      }
      return samples.length;
    },
  },
  getTuple: {
    isFilled: true,
    async run({ saver }, samples) {
      for (const [at] of samples.entries()) {
        const tuple = await saver.getTuple(configOf());
        if (tuple === undefined) return at;
      }
      return samples.length;
    },
  },
  list: {
    isFilled: true,
    async run({ saver }) {
      let count = 0;
      for await (const tuple of saver.list(configOf())) count += tuple.checkpoint.v > 0 ? 1 : 0;
      return count;
    },
  },
  deleteThread: {
    isFilled: true,
    async run({ saver }, samples) {
      await saver.deleteThread("t");
      return (await saver.getTuple(configOf())) === undefined ? samples.length : 0;
    },
  },
};

async function putAll(saver: Opened["saver"], samples: readonly Sample[]): Promise<number> {
  let config: Parameters<typeof saver.put>[0] = configOf();
  for (const { checkpoint, versions } of samples)
    config = await saver.put(config, checkpoint, META, versions);
  return samples.length;
}

function contender(pair: Pair[number], name: string, samples: readonly Sample[]): Contender {
  const { isFilled, run } = WORKS[name] ?? { isFilled: false, run: () => Promise.resolve(0) };
  return {
    name: pair.name,
    async prepare() {
      const opened = await pair.open();
      if (isFilled) await putAll(opened.saver, samples);
      let done = 0;
      return {
        async run() {
          done = await run(opened, samples);
        },
        async check() {
          await opened.close();
          return done === samples.length;
        },
      };
    },
  };
}

async function* sectionsOf(pair: Pair, store: string, rounds = 3): AsyncIterable<Section> {
  for (const kilobytes of SIZES_KB) {
    const count = (rounds === 1 ? QUICK_COUNT : COUNT) / (kilobytes === 1_000 ? 10 : 1);
    const samples = checkpoints(kilobytes * 1_000, count);
    for (const work of Object.keys(WORKS)) {
      const contenders = pair.map((each) => contender(each, work, samples));
      const base = pair[0].name;
      const result = await race({ base, operations: count, rounds, warmUps: 1, contenders });
      yield {
        title: `langgraph: ${work}, states of ${kilobytes} KB, ${count} checkpoints, ${store}`,
        notes: ["ten channels, of which each checkpoint changes one; time per checkpoint"],
        timings: result.timings,
        goals: [],
      };
    }
  }
}

/** put, putWrites, getTuple, list and deleteThread of a thread. */
export const bench: Bench = {
  name: "langgraph",
  keptAs: () => undefined,
  async *sections({ rounds, store = "sqlite" }) {
    const found = await checkpointerPairs(store);
    if ("reason" in found)
      yield { title: `langgraph on ${store}`, notes: [found.reason], timings: [], goals: [] };
    else yield* sectionsOf(found.pair, store, rounds);
  },
};
