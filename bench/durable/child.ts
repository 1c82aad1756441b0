/**
 * A process that counts: gets ready, says so, waits for a line, works, and prints its report.
 * Started by `crew.ts` with a job as its argument.
 */
import { once } from "node:events";
import type { Job, Report } from "./job.ts";
import { keysOf } from "./job.ts";
import { openCounting, type Counting } from "./ways.ts";

/** Every so many calls are timed. */
const TIMED = 10;
const MOST_WARM_LANES = 100;
const WARM_TURNS = 40;

/** Lets the compiler see the code and opens connections, on keys of this process alone. */
async function warmUp({ way, site, number, lanes }: Job): Promise<void> {
  const length = Math.min(lanes, MOST_WARM_LANES);
  const keys = Array.from({ length }, (_, lane) => `warm-${number}-${lane}`);
  const counting = await openCounting(way, site, keys);
  await counting.create();
  const calls = keys.map(async (key) => {
    for (let turn = 0; turn < WARM_TURNS; turn++) await counting.increment(key);
  });
  await Promise.all(calls);
  await counting.close();
}

async function work(counting: Counting, keys: readonly string[], turns: number): Promise<Report> {
  const latencies: number[] = [];
  const tally = { succeeded: 0, failed: 0 };
  const before = process.cpuUsage();
  const lanes = keys.map(async (key, lane) => {
    for (let turn = 0; turn < turns; turn++) {
      const start = performance.now();
      if (await counting.increment(key)) tally.succeeded += 1;
      else tally.failed += 1;
      if ((lane + turn) % TIMED === 0) latencies.push(performance.now() - start);
    }
  });
  await Promise.all(lanes);
  const { user, system } = process.cpuUsage(before);
  return { ...tally, latencies, cpuSeconds: (user + system) / 1e6 };
}

// Only `crew.ts` starts this, with a job.
const job = JSON.parse(process.argv[2] ?? "") as Job;
const keys = keysOf(job);
await warmUp(job);
const counting = await openCounting(job.way, job.site, keys);
console.log("ready");
await once(process.stdin, "data");
console.log(JSON.stringify(await work(counting, keys, job.turns)));
await counting.close();
process.stdin.destroy();
