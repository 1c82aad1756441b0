/** The bench of the way through the code: what one idle `patchState` calls. */
import { createPlace } from "./contention/place.ts";
import { inspect } from "./inspect/child.ts";
import type { CallsJob, CallsSample } from "./inspect/calls-child.ts";
import { ServerAbsentError } from "./servers/contract.ts";
import { withServer } from "./servers/server.ts";
import { atMost, median, type Bench, type Goal, type Section } from "./support.ts";

const SAMPLES = 15;

/** Where a scope is measured; the first is not stored. */
type Where = "volatile" | "sqlite" | "redis";

const LIMITS: Readonly<Partial<Record<Where, { calls: number; files: number }>>> = {
  volatile: { calls: 35, files: 12 },
  sqlite: { calls: 100, files: 26 },
};

/** Calls and files of one idle mutation, on a volatile scope, on sqlite and on Redis. */
export const bench: Bench = {
  name: "calls",
  keptAs: (store) => (store === undefined ? "calls" : undefined),
  async *sections({ rounds, store }) {
    // The command line lets no other store through.
    const on = store === undefined ? (["volatile", "sqlite"] as const) : [store as Where];
    const counted = new Map<Where, readonly CallsSample[]>();
    for (const where of on) counted.set(where, await samplesOf(where, rounds));
    const notes: string[] = [];
    if (store === undefined) notes.push(...(await addRedis(counted, rounds)));
    yield callsSection(counted, notes);
    for (const [where, samples] of counted) yield filesSection(where, samples);
  },
};

/** Redis as well, where there is one; else the note that says why not. */
async function addRedis(
  counted: Map<Where, readonly CallsSample[]>,
  rounds: number | undefined,
): Promise<string[]> {
  const measured = withServer("redis", async function* samples(server) {
    counted.set("redis", await samplesOf("redis", rounds));
    yield server?.line ?? "";
  });
  const notes: string[] = [];
  try {
    for await (const line of measured) notes.push(line);
  } catch (error) {
    if (!(error instanceof ServerAbsentError)) throw error;
    notes.push(`without redis: ${error.message}`);
  }
  return notes;
}

async function samplesOf(where: Where, samples = SAMPLES): Promise<readonly CallsSample[]> {
  const site = where === "volatile" ? undefined : createPlace(where).site;
  const job: CallsJob = { site, samples };
  // The script prints nothing else.
  return (await inspect("calls-child.ts", job)) as CallsSample[];
}

/** How many calls, and in how many files. */
function sizeOf({ during }: CallsSample): { readonly calls: number; readonly files: number } {
  const counts = Object.values(during);
  return { calls: counts.reduce((sum, count) => sum + count, 0), files: counts.length };
}

/** A median, with the least and the most where they differ. */
function range(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? String(least) : `${median(values)} (${least} to ${most})`;
}

function callsSection(
  counted: ReadonlyMap<Where, readonly CallsSample[]>,
  notes: readonly string[],
): Section {
  const rows = [...counted].map(([where, samples]) => [
    where,
    range(samples.map((sample) => sizeOf(sample).calls)),
    range(samples.map((sample) => sizeOf(sample).files)),
    range(samples.map(({ after }) => after)),
  ]);
  return {
    title: "Function calls of one awaited patchState of 2 of 10 fields, idle and warm",
    notes: [
      "V8's precise coverage: calls of functions of holdfast, and source files they are in, from",
      "the call until it is answered; after: in the 20 ms after that. An async function that goes",
      "on after an await is not called again. Medians; in brackets the least and the most.",
      ...notes,
    ],
    timings: [],
    table: [["scope", "calls", "files", "after"], ...rows],
    goals: [...counted].flatMap(([where, samples]) => goalsOf(where, samples)),
  };
}

function goalsOf(where: Where, samples: readonly CallsSample[]): Goal[] {
  const limit = LIMITS[where];
  if (limit === undefined) return [];
  const work = `an idle patchState, ${where}`;
  const middle = (of: "calls" | "files"): number =>
    median(samples.map((sample) => sizeOf(sample)[of]));
  return [
    atMost({ id: "calls", work }, middle("calls"), limit.calls, "calls"),
    atMost({ id: "calls", work }, middle("files"), limit.files, "files"),
  ];
}

/** The files of the sample in the middle. */
function filesSection(where: Where, samples: readonly CallsSample[]): Section {
  const sorted = samples.toSorted((a, b) => sizeOf(a).calls - sizeOf(b).calls);
  const { during = {} } = sorted[Math.floor(sorted.length / 2)] ?? {};
  const files = Object.entries(during).toSorted(([, a], [, b]) => b - a);
  return {
    title: `Calls of one patchState by file, ${where}`,
    notes: [],
    timings: [],
    table: [["file", "calls"], ...files.map(([file, count]) => [file, String(count)])],
    goals: [],
  };
}
