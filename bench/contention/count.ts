/** D1 and D2: many increments in flight, on one counter and on many. */
import { atLeast, atMost, figure, race, type Goal, type Result, type Section } from "../support.ts";
import { boundRows } from "./bare.ts";
import { contend, Tally, type Competitor, type Load } from "./competitor.ts";
import {
  flowStateApart,
  flowStateShared,
  holdfast,
  holdfastLazy,
  naiveCas,
} from "./competitors.ts";
import { peersOf, peersOnMany } from "./peers.ts";
import { awayBy, createPlace, type Place } from "./place.ts";
import { WAYS, type StoreName } from "./site.ts";

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

function noFailure(id: string, work: string, tally: Tally | undefined): Goal {
  const { failed, lost } = tally ?? { failed: Infinity, lost: Infinity };
  const reached = `${failed} failed, ${lost} lost`;
  return { id, work, target: "0 failed, 0 lost", reached, met: failed === 0 && lost === 0 };
}

/** What to know of D1 on a store. */
const HOT_NOTES: Readonly<Partial<Record<StoreName, string>>> = {
  sqlite: "Here a commit is synchronous: each retry runs alone, so naive CAS does not exhaust.",
  redis: "By hand: a hash per counter, compared and set by a script, one connection.",
  postgres: "By hand: a row per counter, prepared statements, a pool of 16 connections.",
};

const HOT_CALLS = 1000;

/** Stores on which the naive loop is a fair base; the picture shows these. */
const GAINS: ReadonlySet<StoreName> = new Set(["sqlite", "redis", "postgres"]);

/** D1 on one store. */
export async function hotSection(
  store: StoreName,
  rounds: number = store === "file" ? 3 : 5,
): Promise<Section> {
  const load = { counters: 1, each: HOT_CALLS };
  const place = (): Place => createPlace(store);
  const entries = [holdfast, ...(await peersOf(store))].map((competitor) => ({ competitor, load }));
  const measured = await measure(entries, { place, rounds, warmUps: 1 });
  const work = `1,000 concurrent +1, one counter, ${store}`;
  const goals = [noFailure("D1", work, measured.tallies.get(holdfast.name))];
  const gain = measured.result.ratio(naiveCas.name, holdfast.name);
  if (GAINS.has(store)) goals.push(atLeast({ id: "D1", work }, gain, 50, "× faster than naive"));
  if (store === "redis") goals.push(besideLimit(work, measured.result));
  const note = HOT_NOTES[store];
  return {
    title: `D1: 1,000 concurrent +1 on one stored counter, ${WAYS[store]}`,
    notes: [TALLY_NOTE, ...(note === undefined ? [] : [note])],
    timings: measured.timings,
    goals,
    ...(GAINS.has(store) && { chart: { store, calls: HOT_CALLS } }),
  };
}

function besideLimit(work: string, result: Result): Goal {
  const ratio = result.ratio(holdfast.name, "limit: HINCRBY, pipelined");
  return atMost({ id: "D1", work }, ratio, 1, "× the time of HINCRBY");
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
  redis: { ours: 10_000, peers: 1000 },
  postgres: { ours: 10_000, peers: 300 },
};

/** What D2 asks for: thousands of updates per second. */
const SPREAD_RATES: Readonly<Partial<Record<StoreName, number>>> = {
  sqlite: 200,
  redis: 150,
  postgres: 130,
};

/** Scopes that are opened within the measured time. */
const LAZY_MAX = 1000;

/** D2 on one store. */
export async function spreadSection(store: StoreName, rounds = 3): Promise<Section> {
  const { ours, peers } = SPREAD[store];
  const bound = store === "sqlite" ? [boundRows] : [];
  const competitors = [holdfast, ...bound, holdfastLazy, ...(await peersOnMany(store))];
  const entries = competitors.map((competitor) => {
    let counters = competitor === holdfast || competitor === boundRows ? ours : peers;
    if (competitor === holdfastLazy) counters = Math.min(ours, LAZY_MAX);
    return { competitor, load: { counters, each: 10 } };
  });
  const place = (): Place => createPlace(store);
  const measured = await measure(entries, { place, rounds, warmUps: 1 });
  const size = `${ours.toLocaleString("en")} scopes × 10`;
  const work = `${size} increments, ${store}`;
  const goals = [noFailure("D2", work, measured.tallies.get(holdfast.name))];
  const asked = SPREAD_RATES[store];
  if (asked !== undefined) {
    const rate = 1e6 / measured.result.time(holdfast.name);
    const gain = measured.result.ratio(naiveCas.name, holdfast.name);
    goals.push(atLeast({ id: "D2", work }, rate, asked, "k/s"));
    goals.push(atLeast({ id: "D2", work }, gain, 30, "× faster than naive"));
  }
  return {
    title: `D2: ${size} increments, all in flight at once, ${WAYS[store]}`,
    notes: [
      TALLY_NOTE,
      "p50, p99: from call to answer with everything submitted at once, so mostly waiting.",
      `The peers get ${peers} scopes, opening included ${Math.min(ours, LAZY_MAX)}: more takes long.`,
      ...bound.map(({ name }) => boundNote(measured.result.least(name))),
    ],
    timings: measured.timings,
    goals,
  };
}

/** What no store of rows can beat here: the bound has no order, checks, retries or subscribers. */
function boundNote(leastNs: number): string {
  return (
    `The quickest round of the bound made ${figure(1e6 / leastNs)}k/s: the same rows and as many ` +
    "transactions by a prepared statement, a Map and an await per call."
  );
}
