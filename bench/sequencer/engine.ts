/** The work of the bench of sequencers, and what an engine that does it is. */

/** Steps of a run. */
export const STEPS = 100;

/** What a run gave. */
export interface Done {
  /** The result of the last step: each adds 1 to that of the step before, the first to 0. */
  readonly value: number;
  /** When each step began, in order; milliseconds. */
  readonly starts: readonly number[];
}

/** Does runs of `STEPS` steps. */
export interface Engine {
  readonly name: string;
  /** Does so many runs at once, each under an id that was not used before. */
  readonly run: (count: number) => Promise<readonly Done[]>;
  readonly close: () => Promise<unknown>;
}

/** An engine that cannot run here, and why. */
export interface Absent {
  readonly name: string;
  readonly reason: string;
}

/** When the steps of the runs of this process began, by run. */
export class Starts {
  readonly #runs = new Map<string, number[]>();

  /** A step of a run begins: its result. */
  next(runId: string, previous: number): number {
    const starts = this.#runs.get(runId) ?? [];
    this.#runs.set(runId, starts);
    starts.push(performance.now());
    return previous + 1;
  }

  /** The run has ended. */
  done(runId: string, value: number): Done {
    const starts = this.#runs.get(runId) ?? [];
    this.#runs.delete(runId);
    return { value, starts };
  }
}

let runs = 0;

/** Ids of `count` new runs. */
export function runIds(count: number): string[] {
  return Array.from({ length: count }, () => `run-${process.pid}-${(runs += 1)}`);
}

/** True for a run that began each of its steps once, in order. */
export function isRight({ value, starts }: Done): boolean {
  return value === STEPS && starts.length === STEPS;
}
