/** Every dialect beside its original: turns at once on one document, and turns one by one. */
import { race, figure, type Goal, type Section, type Timing } from "../support.ts";
import {
  atOnce,
  inTurn,
  largeDocument,
  smallDocument,
  type Losses,
  type Match,
  type Side,
} from "./side.ts";

const AT_ONCE = 100;
const ONE_BY_ONE = { small: 200, large: 20 };

function sidesOf({ original, ours }: Match): Side[] {
  return [original, ...ours];
}

function withRate(timing: Timing): Timing {
  const { extra = {}, median } = timing;
  return { ...timing, extra: { rate: `${figure(1e9 / median)}/s`, ...extra } };
}

/** 100 turns in flight on one document of ten fields. */
export async function atOnceSection(match: Match, rounds = 3): Promise<Section> {
  const { dialect, original, ours, note } = match;
  const tallies = new Map<string, Losses>();
  const contenders = sidesOf(match).map((side) => {
    const losses: Losses = { lost: 0 };
    tallies.set(side.name, losses);
    return atOnce(side, AT_ONCE, losses);
  });
  const work = { base: original.name, operations: AT_ONCE, rounds, contenders };
  const { timings } = await race(work);
  const goals = ours.map(({ name }): Goal => {
    const lost = tallies.get(name)?.lost ?? Number.NaN;
    const reached = `${lost} lost`;
    return {
      id: "L1",
      work: `100 turns at once, ${name}`,
      target: "0 lost",
      reached,
      met: lost === 0,
    };
  });
  return {
    title: `${dialect}: ${AT_ONCE} turns at once on one document`,
    notes: [
      "Each reads a number, lets others run, and stores the number plus one. lost: worst round.",
      "Times are per turn that was asked for, also where it was lost.",
      ...(note === undefined ? [] : [note]),
    ],
    timings: timings.map((timing) => {
      return withRate({ ...timing, extra: { lost: tallies.get(timing.name)?.lost ?? "" } });
    }),
    goals,
  };
}

/** Awaited turns on a document of ten fields and on one of 100 KB. */
export async function sizeSection(match: Match, rounds = 3): Promise<Section> {
  const timings: Timing[] = [];
  for (const size of ["small", "large"] as const) {
    const document = size === "small" ? smallDocument : largeDocument;
    const operations = ONE_BY_ONE[size];
    const contenders = sidesOf(match).map((side) => inTurn(side, operations, document));
    const result = await race({ base: match.original.name, operations, rounds, contenders });
    timings.push(
      ...result.timings.map((timing) => withRate({ ...timing, name: `${size}: ${timing.name}` })),
    );
  }
  return {
    title: `${match.dialect}: awaited turns, one by one, small and large documents`,
    notes: ["small: ten fields; large: a list of 1,000 items, 100 KB of JSON. The same turn."],
    timings,
    goals: [],
  };
}
