/** The job of a process of a bench and its result, both as JSON. */
import type { Site } from "../contention/site.ts";

/** How a process counts. */
export type Way = "holdfast" | "naive";

/** The work of one process. */
export interface Job {
  readonly site: Site;
  readonly way: Way;
  /** Its number; with others' on other keys when `isShared` is false. */
  readonly number: number;
  /** All processes count on one key, instead of each lane on one of its own. */
  readonly isShared: boolean;
  /** Increments in flight at once; each lane makes its next one when its last is answered. */
  readonly lanes: number;
  /** Increments of each lane. */
  readonly turns: number;
}

/** What became of it. */
export interface Report {
  readonly succeeded: number;
  readonly failed: number;
  /** Milliseconds from call to answer, some calls of all. */
  readonly latencies: readonly number[];
  /** Seconds of processor the process used for it. */
  readonly cpuSeconds: number;
}

/** The key of each lane of a job. */
export function keysOf({ isShared, lanes, number }: Omit<Job, "site" | "way" | "turns">): string[] {
  return Array.from({ length: lanes }, (_, lane) => (isShared ? "hot" : `p${number}-${lane}`));
}
