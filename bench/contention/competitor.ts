/** What each counter must be able to do, and how a run of it is checked and tallied. */
import type { Contender, Timing } from "../support.ts";
import { figure, median } from "../support.ts";
import type { Place } from "./place.ts";

/** Counters made ready by a competitor; all start at 0 and are stored. */
export interface Counters {
  /** Adds one; rejects with `GaveUp` when that was refused. */
  readonly increment: (index: number) => Promise<unknown>;
  /** The sum that is really stored, read after a restart where the place allows it; closes. */
  readonly total: () => Promise<number>;
}

/** One that keeps counters. */
export interface Competitor {
  readonly name: string;
  /** It is here to show that it loses updates: its run is right when it did. */
  readonly losesUpdates?: boolean;
  readonly open: (place: Place, count: number) => Promise<Counters>;
}

/** The answer of a competitor that stopped trying. */
export class GaveUp extends Error {}

/** How many counters, and how many increments each gets, all in flight at once. */
export interface Load {
  readonly counters: number;
  readonly each: number;
}

/** What became of the calls of all rounds. */
export class Tally {
  /** Of the round that went worst. */
  succeeded: number = Infinity;
  failed = 0;
  lost = 0;
  /** Milliseconds from call to answer, one call in ten. */
  readonly latencies: number[] = [];

  /** Adds one round. */
  add(round: { succeeded: number; failed: number; stored: number }): void {
    this.succeeded = Math.min(this.succeeded, round.succeeded);
    this.failed = Math.max(this.failed, round.failed);
    this.lost = Math.max(this.lost, round.succeeded - round.stored);
  }

  /** The columns of a report. */
  columns(timing: Timing): Record<string, string | number> {
    const { succeeded, failed, lost } = this;
    const [p50, p99] = [0.5, 0.99].map((share) => `${figure(this.#quantile(share))} ms`);
    const perSecond = `${figure(1e6 / timing.median)}k/s`;
    return { rate: perSecond, ok: succeeded, failed, lost, p50: p50 ?? "", p99: p99 ?? "" };
  }

  #quantile(share: number): number {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return share === 0.5
      ? median(sorted)
      : (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
  }
}

/** A competitor under a load, as a contender of a race; its time is per update that took effect. */
export function contend(
  competitor: Competitor,
  load: Load,
  setup: { readonly place: () => Place; readonly tally: Tally },
): Contender {
  return {
    name: competitor.name,
    operations: load.counters * load.each,
    prepare: async () => {
      const counters = await competitor.open(setup.place(), load.counters);
      const round = { succeeded: 0, failed: 0, stored: 0 };
      return {
        run: () => submit(counters, load, { round, latencies: setup.tally.latencies }),
        check: async () => {
          round.stored = await counters.total();
          setup.tally.add(round);
          if (round.succeeded + round.failed !== load.counters * load.each) return false;
          return competitor.losesUpdates === true
            ? round.stored < round.succeeded
            : round.stored === round.succeeded;
        },
        done: () => round.stored,
      };
    },
  };
}

/** Puts every call in flight, round the counters, and waits for all answers. */
async function submit(
  counters: Counters,
  load: Load,
  seen: { round: { succeeded: number; failed: number }; latencies: number[] },
): Promise<void> {
  const calls: Promise<void>[] = [];
  const { round, latencies } = seen;
  const succeed = (): void => void (round.succeeded += 1);
  const fail = (error: unknown): void => {
    if (!(error instanceof GaveUp)) throw error;
    round.failed += 1;
  };
  for (let turn = 0; turn < load.each; turn++) {
    for (let index = 0; index < load.counters; index++) {
      const called = (turn + index) % 10 === 0 ? performance.now() : 0;
      const call = counters.increment(index);
      if (called === 0) calls.push(call.then(succeed, fail));
      else calls.push(call.then(succeed, fail).then(() => void latencies.push(since(called))));
    }
  }
  await Promise.all(calls);
}

function since(start: number): number {
  return performance.now() - start;
}
