/** The first call of a process: making a session when nothing was used before. */
import { spawnSync } from "node:child_process";
import { isBuilt, urlOf } from "../subject.ts";
import { atMost, median, type Section, type Timing } from "../support.ts";

const BASE = "@google/adk";
const OURS = "holdfast/adk";
/** The bound: what is left of the call when no function has to be compiled in it. */
const COMPILED = "holdfast/adk, compiled at load";

/** Milliseconds of one process. */
interface Cold {
  /** `new InMemorySessionService()`. */
  readonly service: number;
  /** The first `createSession`. */
  readonly first: number;
  /** What it took of the processor, which others on the machine disturb less. */
  readonly processor: number;
  /** The second. */
  readonly second: number;
}

/** What a process runs, once it has imported the entry point and come to rest. */
const CODE = `
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
const { InMemorySessionService } = await import(process.argv[1]);
await sleep(20);
const times = [performance.now()];
const service = new InMemorySessionService();
times.push(performance.now());
const sessions = [];
const used = [];
for (const sessionId of ["s1", "s2"]) {
  const before = process.cpuUsage();
  sessions.push(await service.createSession({ appName: "app", userId: "u", sessionId }));
  times.push(performance.now());
  const { user, system } = process.cpuUsage(before);
  used.push((user + system) / 1e3);
}
if (sessions.map(({ id }) => id).join() !== "s1,s2") throw new Error("no such sessions");
const [made, first, second] = times.slice(1).map((time, at) => time - times[at]);
console.log(JSON.stringify({ service: made, first, second, processor: used[0] }));
`;

/** Times one fresh process; throws when the sessions were not made. */
function cold(url: string, options: readonly string[]): Cold {
  const flags = isBuilt ? options : [...options, "--import", "tsx"];
  const parts = [...flags, "--input-type=module", "-e", CODE, url];
  const { status, stdout, stderr } = spawnSync(process.execPath, parts, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the first session failed: ${stderr}`);
  return JSON.parse(stdout) as Cold; // The code above prints nothing else.
}

/** Both in memory, in turns, each in a fresh process. */
export function coldSection(rounds = 15): Section {
  const contenders = [
    { name: BASE, url: import.meta.resolve("@google/adk"), options: [] },
    { name: OURS, url: urlOf("adk"), options: [] },
    { name: COMPILED, url: urlOf("adk"), options: ["--no-lazy"] },
  ];
  const runs = new Map(contenders.map(({ name }) => [name, [] as Cold[]]));
  for (let round = -1; round < rounds; round++)
    for (const { name, url, options } of contenders) {
      const run = cold(url, options);
      if (round >= 0) runs.get(name)?.push(run);
    }
  const firsts = (name: string): number[] => (runs.get(name) ?? []).map(({ first }) => first);
  const timings = [...runs].map(([name, all]): Timing => {
    const times = firsts(name);
    const of = (part: keyof Cold): string => `${median(all.map((run) => run[part])).toFixed(2)} ms`;
    return {
      name,
      median: median(times) * 1e6,
      min: Math.min(...times) * 1e6,
      max: Math.max(...times) * 1e6,
      ratio: median(times) / median(firsts(BASE)),
      extra: {
        processor: of("processor"),
        "new service": of("service"),
        "second session": of("second"),
      },
    };
  });
  const goal = { id: "adk", work: "the first createSession of a process" };
  return {
    title: "adk: the first createSession of a fresh process, in memory, after the import",
    notes: [
      "V8 compiles a function when it is first called; the second session shows the call without.",
      "compiled at load: node --no-lazy compiles all with the import, which then takes longer. The",
      "difference to the line above is compilation of the functions that are called.",
      "processor: the time of the processor in the first call, which is the one to read on a busy",
      "machine; new service: the time to make the service before that. Medians.",
    ],
    timings,
    goals: [atMost(goal, median(firsts(OURS)), 3, "ms")],
  };
}
