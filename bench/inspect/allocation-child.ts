/**
 * Samples what mutations of many stored scopes allocate and prints it as JSON. Run by
 * `allocation.ts` on the library compiled with a file for each source.
 */
import { Session, type HeapProfiler } from "node:inspector";
import { BUILD_VARIABLE } from "../build-variable.ts";
import { storeAt, type Site } from "../contention/site.ts";
import type { Scope } from "../../src/index.ts";
import { createRuntime } from "../subject.ts";
import { addUp, type Allocated } from "./profile.ts";

/** What to run: increments of scopes, all in flight at once. */
export interface AllocationJob {
  readonly site: Site;
  readonly scopes: number;
  /** Increments of each scope. */
  readonly each: number;
  /** Profiles, each of all increments. */
  readonly rounds: number;
}

/** On the average a sample is taken once in so many bytes. */
const INTERVAL_BYTES = 8192;

interface Count extends Record<string, unknown> {
  readonly n: number;
}

/** What `work` allocated, also what is collected by the end. */
async function profileOf(
  session: Session,
  work: () => Promise<void>,
): Promise<HeapProfiler.SamplingHeapProfile> {
  session.post("HeapProfiler.startSampling", {
    samplingInterval: INTERVAL_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await work();
  const found: HeapProfiler.SamplingHeapProfile[] = [];
  // In its own process the session answers before `post` returns.
  session.post("HeapProfiler.stopSampling", (error, { profile }) => {
    if (error !== null) throw error;
    found.push(profile);
  });
  const [profile] = found;
  if (profile === undefined) throw new Error("the profiler gave no profile");
  return profile;
}

async function measure({ site, scopes: count, each, rounds }: AllocationJob): Promise<Allocated[]> {
  const runtime = createRuntime({ store: storeAt(site) });
  const ids = Array.from({ length: count }, (_, index) => `counter-${index}`);
  const open = (from: typeof runtime): Promise<Scope<Count>>[] =>
    ids.map((id) => from.open<Count>("session", id));
  const scopes = await Promise.all(open(runtime));
  await Promise.all(scopes.map((scope) => scope.setState({ n: 0 })));
  const calls: Promise<boolean>[] = Array.from({ length: count * each });
  const work = async (): Promise<void> => {
    for (let turn = 0, at = 0; turn < each; turn++)
      for (const scope of scopes) calls[at++] = scope.incState({ n: 1 });
    await Promise.all(calls);
  };
  await work(); // The first one pays for compiled code.
  const session = new Session();
  session.connect();
  session.post("HeapProfiler.enable");
  const profiles = [];
  for (let round = 0; round < rounds; round++) profiles.push(await profileOf(session, work));
  await runtime.close();
  const reader = createRuntime({ store: storeAt(site) });
  const stored = await Promise.all(open(reader));
  const isRight = stored.every(({ state }) => state.n === each * (rounds + 1));
  await reader.close();
  if (!isRight) throw new Error("an increment was lost");
  return profiles.map((profile) => addUp(profile.head, folder ?? ""));
}

const folder = process.env[BUILD_VARIABLE];
if (folder === undefined) throw new Error("the library must be compiled for this");
// Only `allocation.ts` starts this, with a job.
const job = JSON.parse(process.argv[2] ?? "") as AllocationJob;
process.stdout.write(JSON.stringify(await measure(job)));
