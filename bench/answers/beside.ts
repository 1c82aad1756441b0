/** A3: what no-ops add to the commits of their tick: time, and calls of the store. */
import { counting } from "../contention/counted.ts";
import { createPlace } from "../contention/place.ts";
import { WAYS, type StoreName } from "../contention/site.ts";
import { createUser } from "../micro/states.ts";
import { createRuntime } from "../subject.ts";
import { figure, race, type Contender, type Section, type Timing } from "../support.ts";
import { openAll, otherRuntime } from "./asking.ts";
import { connect } from "./connected.ts";

const COMMITS = 1000;
const TICKS = 5;

/** Calls of the store in a tick, of the worst round. */
interface Calls {
  most: number;
}

function names(start: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${start}${index}`);
}

/** Ticks with a commit of each of 1,000 scopes and a no-op of each of some others. */
function committing(name: string, store: StoreName, noOps: number, calls: Calls): Contender {
  return {
    name,
    operations: TICKS,
    prepare: async () => {
      const { site } = createPlace(store);
      const connected = await connect(site);
      const counted = counting(connected.store);
      const runtime = createRuntime({ store: counted.store, watch: false });
      const writers = await openAll(runtime, names("w", COMMITS));
      const idle = await openAll(runtime, names("i", noOps));
      await Promise.all([...writers, ...idle].map((scope) => scope.setState(createUser())));
      const tick = async (): Promise<{ written: boolean[]; still: boolean[] }> => {
        const writing = writers.map((scope) => scope.incState({ count: 1 }));
        const looking = idle.map((scope) => scope.patchState({ count: 0 }));
        return { written: await Promise.all(writing), still: await Promise.all(looking) };
      };
      let isRight = true;
      let before = 0;
      return {
        run: async () => {
          before = counted.commits + counted.loads;
          for (let turn = 0; turn < TICKS; turn++) {
            const { written, still } = await tick();
            isRight &&= written.every(Boolean) && !still.some(Boolean);
          }
        },
        check: async () => {
          calls.most = Math.max(calls.most, (counted.commits + counted.loads - before) / TICKS);
          const other = otherRuntime(site, connected.store);
          const wrote = await openAll(other, names("w", COMMITS));
          const looked = await openAll(other, names("i", noOps));
          isRight &&= wrote.every(({ version }) => version === TICKS + 1);
          isRight &&= looked.every(({ version }) => version === 1);
          await Promise.all(looked.map((scope) => scope.patchState({ count: 7 })));
          isRight &&= (await tick()).still.every(Boolean);
          await other.close();
          await runtime.close();
          await connected.store.close();
          await connected.end();
          return isRight;
        },
      };
    },
  };
}

/** What a tick with no-ops takes longer than one without, for each of them, and the noise of that. */
function addedText(timing: Timing, without: Timing, noOps: number): string {
  const added = (timing.ratio - 1) * without.median;
  const noise = (timing.max - timing.min + without.max - without.min) / 2;
  return `${figure(added / noOps / 1e3)} ± ${figure(noise / noOps / 1e3)} µs`;
}

/** A3. */
export async function besideSection(store: StoreName, rounds = 5): Promise<Section> {
  const alone = `${COMMITS} commits`;
  const cases = [
    { name: alone, noOps: 0, calls: { most: 0 } },
    { name: "… and 1 no-op", noOps: 1, calls: { most: 0 } },
    { name: "… and 1,000 no-ops", noOps: 1000, calls: { most: 0 } },
  ];
  const contenders = cases.map(({ name, noOps, calls }) => committing(name, store, noOps, calls));
  const result = await race({ base: alone, operations: TICKS, rounds, contenders });
  const timings = result.timings.map((timing, at) => {
    const { noOps = 0, calls = { most: 0 } } = cases[at] ?? {};
    const added = noOps === 0 ? "" : addedText(timing, result.timings[0] ?? timing, noOps);
    const extra = { "store calls": calls.most, "added per no-op": added };
    return Object.assign({}, timing, { extra });
  });
  const [without = 0, beside = Infinity] = cases.map(({ calls }) => calls.most);
  const added = beside - without;
  return {
    title: `A3: ${COMMITS} commits and no-ops of one tick; times per tick, ${WAYS[store]}`,
    notes: [
      "store calls: of one tick, worst round; up to 256 requests share one.",
      "added: (ratio − 1) × the time without, in parts of the no-ops, ± half the distance between",
      "least and most of both. What one adds is below that: read the figure of 1,000.",
      "No-ops answered false with versions as before; then, when another runtime had written, true.",
    ],
    timings,
    goals: [
      {
        id: "A3",
        work: `a no-op beside 1,000 commits, ${store}`,
        target: "0 more calls of the store",
        reached: `${added} more`,
        met: added === 0,
      },
    ],
  };
}
