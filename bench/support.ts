/**
 * How every bench measures: contenders run in turns, in rotated order, in one process, so that a
 * busy machine hurts all of them alike. Read the ratios; the absolute times belong to the machine.
 *
 *  B1  A time counts only when the contender's result was checked and right.
 *  B2  No collection is forced between runs: it throws away compiled code together with the last
 *      object it was compiled for, and the next run would measure the compiler.
 *  B3  A ratio is the median of the ratios within each round, never of two different runs.
 */
import { performance } from "node:perf_hooks";

/** One prepared run of a contender. */
export interface Trial {
  /** The timed work; what it returns is awaited. */
  readonly run: () => unknown;
  /** True when the work was really done; looked at after the clock has stopped. */
  readonly check: () => boolean | Promise<boolean>;
  /** How many operations took effect, asked after `check`; default all. */
  readonly done?: () => number;
}

/** One that does the work of a race. */
export interface Contender {
  readonly name: string;
  /** How many operations one run does; default: those of the race. */
  readonly operations?: number;
  /** Sets up a fresh run; not timed. */
  readonly prepare: () => Trial | Promise<Trial>;
}

/** Work to be done by several contenders. */
export interface Race {
  /** Name of the contender to which the others are compared. */
  readonly base: string;
  readonly operations: number;
  /** Counted rounds; default 9. */
  readonly rounds?: number | undefined;
  /** Rounds before the counted ones; default 3. */
  readonly warmUps?: number;
  readonly contenders: readonly Contender[];
}

/** What a contender needed per operation, in nanoseconds, and its ratio to the base. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly ratio: number;
  /** Further figures, each under its heading. */
  readonly extra?: Readonly<Record<string, string | number>>;
}

/** A figure that was reached, and its target. */
export interface Goal {
  readonly id: string;
  readonly work: string;
  readonly target: string;
  readonly reached: string;
  readonly met: boolean;
}

/** One part of a bench's report. */
export interface Section {
  readonly title: string;
  /** What exactly was measured, and how it can mislead. */
  readonly notes: readonly string[];
  readonly timings: readonly Timing[];
  readonly goals: readonly Goal[];
  /** What is not a time of contenders: rows of cells, headings first. */
  readonly table?: readonly (readonly string[])[];
  /** There when its tallies belong in the picture: on which store, and of how many calls. */
  readonly chart?: { readonly store: string; readonly calls: number };
}

/** What the command line may ask of a bench. */
export interface BenchOptions {
  /** Counted rounds of each race; default: as many as each needs. */
  readonly rounds?: number | undefined;
  /** Measure on this store alone; one of those that `command.ts` lists for the bench. */
  readonly store?: string | undefined;
}

/** A bench: measures one section after another. */
export interface Bench {
  readonly name: string;
  /** Under which name a run that counts is kept; `undefined`: it is printed only. */
  readonly keptAs: (store: string | undefined) => string | undefined;
  readonly sections: (options: BenchOptions) => AsyncIterable<Section>;
}

/** The timings of a race, found by name. */
export class Result {
  readonly timings: readonly Timing[];
  readonly #samples: ReadonlyMap<string, readonly number[]>;

  constructor(samples: ReadonlyMap<string, readonly number[]>, base: string) {
    this.#samples = samples;
    this.timings = [...samples].map(([name, times]) => ({
      name,
      median: median(times),
      min: Math.min(...times),
      max: Math.max(...times),
      ratio: this.ratio(name, base),
    }));
  }

  /** Median nanoseconds per operation. */
  time(name: string): number {
    return median(this.#of(name));
  }

  /** Least nanoseconds per operation. */
  least(name: string): number {
    return Math.min(...this.#of(name));
  }

  /** How many times the time of `other` was needed; the median over the rounds. */
  ratio(name: string, other: string): number {
    const others = this.#of(other);
    return median(this.#of(name).map((time, round) => time / (others[round] ?? Number.NaN)));
  }

  #of(name: string): readonly number[] {
    const times = this.#samples.get(name);
    if (times === undefined) throw new Error(`no contender is called "${name}"`);
    return times;
  }
}

/** The environment variable that, set to 1, leaves the warm-ups out: for a test, which looks at no times. */
export const COLD_VARIABLE = "HOLDFAST_BENCH_COLD";

/** Runs a race; throws when a contender's result is wrong. */
export async function race(work: Race): Promise<Result> {
  const { contenders, rounds = 9 } = work;
  const warmUps = process.env[COLD_VARIABLE] === "1" ? 0 : (work.warmUps ?? 3);
  const samples = new Map(contenders.map(({ name }) => [name, [] as number[]]));
  for (let round = -warmUps; round < rounds; round++) {
    for (let place = 0; place < contenders.length; place++) {
      const contender = contenders[(place + round + warmUps) % contenders.length];
      if (contender === undefined) continue;
      const time = await timeOf(contender, contender.operations ?? work.operations);
      if (round >= 0) samples.get(contender.name)?.push(time);
    }
  }
  return new Result(samples, work.base);
}

async function timeOf(contender: Contender, operations: number): Promise<number> {
  const trial = await contender.prepare();
  const start = performance.now();
  await trial.run();
  const elapsedMs = performance.now() - start;
  if (!(await trial.check())) throw new Error(`"${contender.name}" gave a wrong result`);
  return (elapsedMs * 1e6) / (trial.done?.() ?? operations);
}

/** The middle of the values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return Number.isInteger(half) ? (upper + (sorted[half - 1] ?? Number.NaN)) / 2 : upper;
}

/** A goal that is met by reaching at most `limit`. */
export function atMost(
  place: { readonly id: string; readonly work: string },
  reached: number,
  limit: number,
  unit: string,
): Goal {
  const target = `≤ ${limit} ${unit}`;
  return { ...place, target, reached: `${figure(reached)} ${unit}`, met: reached <= limit };
}

/** A goal that is met by reaching at least `limit`. */
export function atLeast(
  place: { readonly id: string; readonly work: string },
  reached: number,
  limit: number,
  unit: string,
): Goal {
  const target = `≥ ${limit} ${unit}`;
  return { ...place, target, reached: `${figure(reached)} ${unit}`, met: reached >= limit };
}

/** A number with three figures that mean something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
