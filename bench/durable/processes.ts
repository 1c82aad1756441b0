/** D5 and D7: one, two and four processes on one key, and each on keys of its own. */
import { availableParallelism } from "node:os";
import { Tally } from "../contention/competitor.ts";
import { WAYS, type StoreName } from "../contention/site.ts";
import { atLeast, figure, median, race, type Goal, type Result, type Section } from "../support.ts";
import { Busy, crewContender, type Crew } from "./crew.ts";
import type { Way } from "./job.ts";

const PROCESSES = [1, 2, 4];

/** What was measured of some crews. */
interface Measured {
  readonly result: Result;
  readonly timings: Section["timings"];
  readonly tallyOf: (name: string) => Tally;
  readonly busyOf: (name: string) => Busy;
}

/** What every process of a section does. */
type Load = Pick<Crew, "isShared" | "lanes" | "turns">;

function nameOf(way: Way, processes: number): string {
  const who = way === "holdfast" ? "holdfast" : "naive CAS, 3 retries";
  return `${who}, ${processes} ${processes === 1 ? "process" : "processes"}`;
}

function crews(way: Way, load: Load): Crew[] {
  return PROCESSES.map((processes) =>
    Object.assign({ name: nameOf(way, processes), way, processes }, load),
  );
}

async function measure(
  store: StoreName,
  members: readonly Crew[],
  rounds: number,
): Promise<Measured> {
  const sums = new Map(
    members.map(({ name }) => [name, { tally: new Tally(), busy: new Busy() }] as const),
  );
  const of = (name: string): { tally: Tally; busy: Busy } => {
    const sum = sums.get(name);
    if (sum === undefined) throw new Error(`no crew is called "${name}"`);
    return sum;
  };
  const contenders = members.map((crew) => crewContender(store, crew, of(crew.name)));
  const base = nameOf("holdfast", 1);
  // Every process warms up by itself.
  const result = await race({ base, operations: 1, rounds, warmUps: 0, contenders });
  const timings = result.timings.map((timing) => {
    const { tally, busy } = of(timing.name);
    return Object.assign({}, timing, { extra: { ...tally.columns(timing), ...busy.columns() } });
  });
  const tallyOf = (name: string): Tally => of(name).tally;
  return { result, timings, tallyOf, busyOf: (name) => of(name).busy };
}

const NOTES = [
  "Times are per update that took effect, over all processes. ok, failed: the worst round.",
  "lost: answered as done, but not stored; read when all processes had ended.",
  "cores: processors that were busy at a time; the clients' start and end are not in it.",
];

function noFailure(id: string, work: string, tally: Tally, calls: number): Goal {
  const reached = `${tally.succeeded} of ${calls}, ${tally.lost} lost`;
  const met = tally.succeeded === calls && tally.lost === 0;
  return { id, work, target: `${calls} of ${calls}, 0 lost`, reached, met };
}

/** D5: 1,000 calls at once in each process, all on one key. */
export async function burstSection(store: StoreName, rounds = 5): Promise<Section> {
  const load = { isShared: true, lanes: 1000, turns: 1 };
  const members = [...crews("holdfast", load), ...crews("naive", load)];
  const { result, timings, tallyOf } = await measure(store, members, rounds);
  const four = nameOf("holdfast", 4);
  const work = `4 processes × 1,000 at once, one key, ${store}`;
  const gain = result.ratio(nameOf("naive", 4), four);
  return {
    title: `D5: 1,000 increments at once in each process, all on one key, ${WAYS[store]}`,
    notes: NOTES,
    timings,
    goals: [
      noFailure("D5", work, tallyOf(four), 4000),
      atLeast({ id: "D5", work }, gain, 30, "× faster than naive"),
    ],
  };
}

/** The same key with little in flight, where there is nothing to fold. */
export async function steadySection(store: StoreName, rounds = 3): Promise<Section> {
  const load = { isShared: true, lanes: 8, turns: 60 };
  const lone: Crew = {
    name: "holdfast, 4 processes, 1 in flight each",
    way: "holdfast",
    processes: 4,
    isShared: true,
    lanes: 1,
    turns: 100,
  };
  const members = [...crews("holdfast", load), lone, ...crews("naive", load)];
  const { timings, tallyOf } = await measure(store, members, rounds);
  const few = tallyOf(nameOf("holdfast", 4));
  return {
    title: `D5: 8 increments in flight in each process, all on one key, ${WAYS[store]}`,
    notes: NOTES,
    timings,
    goals: [
      noFailure("D5", `4 processes × 8 in flight, one key, ${store}`, few, 4 * 8 * 60),
      noFailure("D5", `4 processes × 1 in flight, one key, ${store}`, tallyOf(lone.name), 400),
    ],
  };
}

/** D7: each process on 100 keys of its own. */
export async function apartSection(store: StoreName, rounds = 3): Promise<Section> {
  const turns = store === "redis" ? 400 : 200;
  const members = [
    ...crews("holdfast", { isShared: false, lanes: 100, turns }),
    ...crews("naive", { isShared: false, lanes: 100, turns: turns / 10 }),
  ];
  const measured = await measure(store, members, rounds);
  return {
    title: `D7: 100 increments in flight in each process, all on keys of their own, ${WAYS[store]}`,
    notes: NOTES,
    timings: measured.timings,
    goals: [growth(store, measured)],
  };
}

/** From which share on a processor counts as used up. */
const FULL = 0.9;

/** Two processes against one; where nothing is left to grow into, that is said and enough. */
function growth(store: StoreName, { result, busyOf }: Measured): Goal {
  const two = nameOf("holdfast", 2);
  const times = result.ratio(nameOf("holdfast", 1), two);
  const { clients, server, machine } = busyOf(two);
  const [ours = 0, theirs = 0, all = 0] = [clients, server, machine].map((values) =>
    values.length === 0 ? 0 : median(values),
  );
  const cores = availableParallelism();
  // Redis works on one processor; PostgreSQL has a process for each connection. What others on
  // the machine use is printed, but excuses nothing.
  const isUsedUp = (store === "redis" && theirs >= FULL) || ours + theirs >= FULL * cores;
  const share = (value: number): string => Math.max(0, value).toFixed(2);
  return {
    id: "D7",
    work: `2 processes beside 1, own keys, ${store}`,
    target: "≥ 1.6 × the rate, or server or machine used up",
    reached:
      `${figure(times)} × the rate; of ${cores} cores clients ${share(ours)}, ` +
      `server ${share(theirs)}, others ${share(all - ours - theirs)}`,
    met: times >= 1.6 || isUsedUp,
  };
}
