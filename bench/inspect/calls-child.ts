/**
 * Counts the function calls of one idle `patchState` by V8's precise coverage and prints them as
 * JSON. Run by `calls.ts` on the library compiled with a file for each source.
 */
import { takeCalls } from "./coverage.ts"; // First, so that it sees all functions compiled.
import { setTimeout as sleep } from "node:timers/promises";
import { BUILD_VARIABLE } from "../build-variable.ts";
import { storeAt, type Site } from "../contention/site.ts";
import { createUser, type User } from "../micro/states.ts";
import { createRuntime } from "../subject.ts";

/** What to count; without a site on a volatile scope. */
export interface CallsJob {
  readonly site: Site | undefined;
  /** Mutations that are counted, each by itself. */
  readonly samples: number;
}

/** The calls of one mutation by source file. */
export interface CallsSample {
  /** From the call until it is answered. */
  readonly during: Readonly<Record<string, number>>;
  /** Calls in the 20 ms after that. */
  readonly after: number;
}

/** Enough that what runs at the first use only has run. */
const WARM = 300;
const REST_MS = 20;

const folder = process.env[BUILD_VARIABLE];
if (folder === undefined) throw new Error("the library must be compiled for this");

/** By source file, of the library alone. */
function takeSources(): Record<string, number> {
  const calls = Object.entries(takeCalls(`${folder}/dist`));
  return Object.fromEntries(calls.map(([file, count]) => [file.replace(/\.js$/, ".ts"), count]));
}

async function measure({ site, samples }: CallsJob): Promise<CallsSample[]> {
  const runtime = createRuntime(site === undefined ? {} : { store: storeAt(site) });
  const scope = await runtime.open<User>(site === undefined ? "temp" : "session", "one");
  await scope.setState(createUser());
  let n = 0;
  const patch = async (): Promise<boolean> => {
    n += 1;
    return scope.patchState({ count: n, updatedAt: n });
  };
  for (let warm = 0; warm < WARM; warm++) await patch();
  const counted: CallsSample[] = [];
  for (let sample = 0; sample < samples; sample++) {
    await sleep(REST_MS);
    takeSources();
    const isChanged = await patch();
    const during = takeSources();
    if (!isChanged) throw new Error("a mutation changed nothing");
    await sleep(REST_MS);
    counted.push({ during, after: total(takeSources()) });
  }
  await check(scope.state, site, n);
  await runtime.close();
  return counted;
}

/** The last state is there, and stored where there is a store. */
async function check(state: Partial<User>, site: Site | undefined, n: number): Promise<void> {
  const reader = createRuntime(site === undefined ? {} : { store: storeAt(site) });
  const stored = site === undefined ? state : (await reader.open<User>("session", "one")).state;
  await reader.close();
  if (state.count !== n || stored.count !== n) throw new Error("a mutation was lost");
}

function total(calls: Readonly<Record<string, number>>): number {
  return Object.values(calls).reduce((sum, some) => sum + some, 0);
}

// Only `calls.ts` starts this, with a job.
const job = JSON.parse(process.argv[2] ?? "") as CallsJob;
process.stdout.write(JSON.stringify(await measure(job)));
