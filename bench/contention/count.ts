/** D1 and D2: many increments in flight, on one counter and on many. */
import { atLeast, race, type Goal, type Result, type Section } from "../support.ts";
import { unlocked, xstatePersisted } from "./bare.ts";
import { contend, Tally, type Competitor, type Load } from "./competitor.ts";
import {
  asyncMutex,
  flowStateApart,
  flowStateLock,
  flowStateShared,
  holdfast,
  holdfastLazy,
  naiveCas,
  pQueue,
} from "./competitors.ts";
import { awayBy, createPlace, type Place, type StoreName } from "./place.ts";

const WAYS: Readonly<Record<StoreName, string>> = {
  memory: "memory",
  sqlite: "sqlite, synchronous FULL",
  file: "file, fsync",
};
const TALLY_NOTE =
  "Times are per update that took effect. ok, failed: the worst round. lost: answered as done, " +
  "but not stored.";

interface Entry {
  readonly competitor: Competitor;
  readonly load: Load;
}

async function measure(
  entries: readonly Entry[],
  setup: { readonly place: () => Place; readonly rounds: number; readonly warmUps: number },
): Promise<{ result: Result; tallies: Map<string, Tally>; timings: Section["timings"] }> {
  const tallies = new Map(entries.map(({ competitor }) => [competitor.name, new Tally()]));
  const contenders = entries.map(({ competitor, load }) => {
    const tally = tallies.get(competitor.name) ?? new Tally();
    return contend(competitor, load, { place: setup.place, tally });
  });
  const { rounds, warmUps } = setup;
  const result = await race({ base: naiveCas.name, operations: 1, rounds, warmUps, contenders });
  const timings = result.timings.map((timing) => {
    const extra = tallies.get(timing.name)?.columns(timing) ?? {};
    return Object.assign({}, timing, { extra });
  });
  return { result, tallies, timings };
}

function everybody(store: StoreName): Competitor[] {
  const peers = [holdfast, naiveCas, flowStateShared, flowStateApart, asyncMutex, pQueue];
  if (store === "memory") return [...peers, flowStateLock];
  return store === "sqlite" ? [...peers, xstatePersisted, unlocked] : peers;
}

function noFailure(id: string, work: string, tally: Tally | undefined): Goal {
  const { failed, lost } = tally ?? { failed: Infinity, lost: Infinity };
  const reached = `${failed} failed, ${lost} lost`;
  return { id, work, target: "0 failed, 0 lost", reached, met: failed === 0 && lost === 0 };
}

/** D1 on one store. */
export async function hotSection(
  store: StoreName,
  rounds: number = store === "file" ? 3 : 5,
): Promise<Section> {
  const load = { counters: 1, each: 1000 };
  const place = (): Place => createPlace(store);
  const entries = everybody(store).map((competitor) => ({ competitor, load }));
  const measured = await measure(entries, { place, rounds, warmUps: 1 });
  const work = `1,000 concurrent +1, one counter, ${store}`;
  const goals = [noFailure("D1", work, measured.tallies.get(holdfast.name))];
  const gain = measured.result.ratio(naiveCas.name, holdfast.name);
  if (store === "sqlite") goals.push(atLeast({ id: "D1", work }, gain, 50, "× faster than naive"));
  return {
    title: `D1: 1,000 concurrent +1 on one stored counter, ${WAYS[store]}`,
    notes: [
      TALLY_NOTE,
      ...(store === "sqlite"
        ? ["Here a commit is synchronous: each retry runs alone, so naive CAS does not exhaust."]
        : []),
    ],
    timings: measured.timings,
    goals,
  };
}

/** D1 on a store that answers later than at once, as every store over a network does. */
export async function awaySection(rounds = 3): Promise<Section> {
  const load = { counters: 1, each: 1000 };
  const place = (): Place => awayBy(1, createPlace("sqlite"));
  const entries = [holdfast, naiveCas, flowStateShared, flowStateApart].map((competitor) => ({
    competitor,
    load,
  }));
  const measured = await measure(entries, { place, rounds, warmUps: 1 });
  const work = "the same, 1 ms away";
  return {
    title: "D1: the same on sqlite behind a driver that takes 1 ms",
    notes: [TALLY_NOTE, "Every call to the store waits 1 ms first: naive CAS exhausts."],
    timings: measured.timings,
    goals: [noFailure("D1", work, measured.tallies.get(holdfast.name))],
  };
}

/** How many counters holdfast gets in D2, and how many the peers, which would need minutes. */
const SPREAD: Readonly<Record<StoreName, { ours: number; peers: number }>> = {
  memory: { ours: 10_000, peers: 1000 },
  sqlite: { ours: 10_000, peers: 100 },
  file: { ours: 500, peers: 50 },
};

/** Scopes that are opened within the measured time. */
const LAZY_MAX = 1000;

/** D2 on one store. */
export async function spreadSection(store: StoreName, rounds = 3): Promise<Section> {
  const { ours, peers } = SPREAD[store];
  const entries = [holdfast, holdfastLazy, ...everybody(store).slice(1)]
    .filter((competitor) => ![unlocked, pQueue, flowStateApart].includes(competitor))
    .map((competitor) => {
      let counters = competitor === holdfast ? ours : peers;
      if (competitor === holdfastLazy) counters = Math.min(ours, LAZY_MAX);
      return { competitor, load: { counters, each: 10 } };
    });
  const place = (): Place => createPlace(store);
  const measured = await measure(entries, { place, rounds, warmUps: 1 });
  const size = `${ours.toLocaleString("en")} scopes × 10`;
  const work = `${size} increments, ${store}`;
  const goals = [noFailure("D2", work, measured.tallies.get(holdfast.name))];
  if (store === "sqlite") {
    const rate = 1e6 / measured.result.time(holdfast.name);
    const gain = measured.result.ratio(naiveCas.name, holdfast.name);
    goals.push(atLeast({ id: "D2", work }, rate, 200, "k/s"));
    goals.push(atLeast({ id: "D2", work }, gain, 30, "× faster than naive"));
  }
  return {
    title: `D2: ${size} increments, all in flight at once, ${WAYS[store]}`,
    notes: [
      TALLY_NOTE,
      "p50, p99: from call to answer with everything submitted at once, so mostly waiting.",
      `The peers get ${peers} scopes, opening included ${Math.min(ours, LAZY_MAX)}: more takes long.`,
    ],
    timings: measured.timings,
    goals,
  };
}
