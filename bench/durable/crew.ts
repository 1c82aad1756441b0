/**
 * Several processes that count at once on one place, as a contender of a race.
 *
 *  W1  The clock runs from the line that lets all begin until the last has reported.
 *  W2  What is stored is read by another process object after all of them have ended.
 *  W3  A process that fails ends the bench; one that is left over when it does is killed.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createPlace } from "../contention/place.ts";
import type { Tally } from "../contention/competitor.ts";
import type { Site, StoreName } from "../contention/site.ts";
import { machineSeconds } from "../servers/cpu.ts";
import { isServerStore, serverOf } from "../servers/server.ts";
import { median, type Contender } from "../support.ts";
import { keysOf, type Job, type Report } from "./job.ts";
import { openCounting } from "./ways.ts";

/** How many processes do what. */
export interface Crew extends Omit<Job, "site" | "number"> {
  readonly name: string;
  readonly processes: number;
}

/** Processors that were busy, one number per round; 1 is one of them all the time. */
export class Busy {
  readonly clients: number[] = [];
  readonly server: number[] = [];
  readonly machine: number[] = [];

  /** The columns of a report. */
  columns(): Record<string, string> {
    const text = (values: readonly number[]): string =>
      values.length === 0 ? "–" : median(values).toFixed(2);
    return {
      "clients, cores": text(this.clients),
      "server, cores": text(this.server),
      [`machine, of ${availableParallelism()}`]: text(this.machine),
    };
  }
}

/** A process that is ready. */
interface Member {
  readonly begin: () => void;
  readonly report: Promise<Report>;
  readonly ended: Promise<unknown>;
}

const living = new Set<ChildProcess>();
process.once("exit", () => living.forEach((child) => child.kill("SIGKILL")));

async function start(job: Job): Promise<Member> {
  const path = fileURLToPath(new URL("child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", path, JSON.stringify(job)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  living.add(child);
  const ended = once(child, "close").then(([code]) => {
    living.delete(child);
    if (code !== 0) throw new Error(`a process of the bench ended with ${String(code)}`);
  });
  ended.catch(() => undefined); // Those that wait for a line or for the end reject.
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true) await ended;
    return String(line.value);
  };
  await next();
  return {
    begin: () => child.stdin.write("begin\n"),
    // The child prints a report after its first line.
    report: next().then((line) => JSON.parse(line) as Report),
    ended,
  };
}

/** The crew as a contender; what became of its calls and what they cost is added up. */
export function crewContender(
  store: StoreName,
  crew: Crew,
  sums: { readonly tally: Tally; readonly busy: Busy },
): Contender {
  const jobs = (site: Site): Job[] =>
    Array.from({ length: crew.processes }, (_, number) => Object.assign({ site, number }, crew));
  return {
    name: crew.name,
    operations: crew.processes * crew.lanes * crew.turns,
    prepare: async () => {
      const { site } = createPlace(store);
      const keys = jobs(site).flatMap(keysOf);
      const counting = await openCounting(crew.way, site, keys);
      await counting.create();
      await counting.close();
      const members = await Promise.all(jobs(site).map(start));
      let reports: readonly Report[] = [];
      let stored = 0;
      return {
        run: async () => {
          const stop = watch(store, sums.busy);
          for (const member of members) member.begin();
          reports = await Promise.all(members.map(({ report }) => report));
          stop(reports);
        },
        check: async () => {
          await Promise.all(members.map(({ ended }) => ended));
          stored = await totalOf(crew, site, keys);
          return isRight(crew, addUp(reports, stored, sums.tally));
        },
        done: () => stored,
      };
    },
  };
}

async function totalOf({ way }: Crew, site: Site, keys: readonly string[]): Promise<number> {
  const reader = await openCounting(way, site, keys);
  const total = await reader.total();
  await reader.close();
  return total;
}

/** What became of the calls of a round. */
interface Round {
  readonly succeeded: number;
  readonly failed: number;
  readonly stored: number;
}

function addUp(reports: readonly Report[], stored: number, tally: Tally): Round {
  const succeeded = reports.reduce((sum, report) => sum + report.succeeded, 0);
  const failed = reports.reduce((sum, report) => sum + report.failed, 0);
  for (const { latencies } of reports) tally.latencies.push(...latencies);
  const round = { succeeded, failed, stored };
  tally.add(round);
  return round;
}

/** Every call was answered, and what was answered as done is stored, neither more nor less. */
function isRight({ processes, lanes, turns }: Crew, { succeeded, failed, stored }: Round): boolean {
  return succeeded + failed === processes * lanes * turns && stored === succeeded;
}

/** The kernel counts in hundredths of a second: of less than this it tells nothing. */
const SHORTEST_S = 0.25;

/** Looks at the processors from now until it is called with the reports of the clients. */
function watch(store: StoreName, busy: Busy): (reports: readonly Report[]) => void {
  const server = (): number | undefined =>
    isServerStore(store) ? serverOf(store).cpuSeconds() : undefined;
  const before = { at: performance.now(), server: server(), machine: machineSeconds() };
  return (reports) => {
    const seconds = (performance.now() - before.at) / 1000;
    if (seconds < SHORTEST_S) return;
    const add = (to: number[], from: number | undefined, until: number | undefined): void => {
      if (from !== undefined && until !== undefined) to.push((until - from) / seconds);
    };
    add(busy.server, before.server, server());
    add(busy.machine, before.machine, machineSeconds());
    add(
      busy.clients,
      0,
      reports.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    );
  };
}
