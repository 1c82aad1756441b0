/** The bench of memory: what a mutation allocates, and what scopes and waiting calls keep. */
import { createPlace } from "./contention/place.ts";
import { WAYS } from "./contention/site.ts";
import type { AllocationJob } from "./inspect/allocation-child.ts";
import { inspect } from "./inspect/child.ts";
import type { Allocated, Allocator, Owner } from "./inspect/profile.ts";
import { memorySection } from "./micro/process.ts";
import { atMost, figure, median, type Bench, type Section } from "./support.ts";

const SCOPES = 10_000;
const EACH = 10;
const ROUNDS = 3;
const SHOWN = 25;

/** Bytes per mutation of 10,000 scopes × 10 on sqlite, then K5's memory and K7. */
export const bench: Bench = {
  name: "allocation",
  keptAs: () => "allocation",
  async *sections({ rounds = ROUNDS }) {
    const { site } = createPlace("sqlite");
    const job: AllocationJob = { site, scopes: SCOPES, each: EACH, rounds };
    // The script prints nothing else.
    const profiles = (await inspect("allocation-child.ts", job)) as Allocated[];
    yield ownersSection(profiles);
    yield functionsSection(profiles);
    yield await memorySection();
  },
};

const OWNERS: readonly Owner[] = ["holdfast", "packages and Node", "bench"];

/** Bytes per mutation, of those functions that are asked for. */
function perMutation(allocated: Allocated, isAsked: (one: Allocator) => boolean): number {
  const bytes = allocated.filter(isAsked).reduce((sum, one) => sum + one.bytes, 0);
  return bytes / (SCOPES * EACH);
}

function ownersSection(profiles: readonly Allocated[]): Section {
  const row = (name: string, isAsked: (one: Allocator) => boolean): string[] => {
    const bytes = profiles.map((profile) => perMutation(profile, isAsked));
    const figures = [median(bytes), Math.min(...bytes), Math.max(...bytes)].map(figure);
    return [name].concat(figures);
  };
  const withoutBench = median(
    profiles.map((profile) => perMutation(profile, ({ owner }) => owner !== "bench")),
  );
  const size = `${SCOPES.toLocaleString("en")} scopes × ${EACH}`;
  return {
    title: `Bytes allocated per mutation: ${size} increments, all at once, ${WAYS.sqlite}`,
    notes: [
      "V8's sampling heap profiler, what is collected meanwhile included; memory outside of V8's",
      "heap is not. bench: the script that makes the calls, and what it called of Node.",
    ],
    timings: [],
    table: [
      ["allocated by", "median", "min", "max"],
      ...OWNERS.map((owner) => row(owner, (one) => one.owner === owner)),
      row("all but bench", ({ owner }) => owner !== "bench"),
    ],
    goals: [
      atMost({ id: "bytes", work: `bytes per mutation, ${size}, sqlite` }, withoutBench, 700, "B"),
    ],
  };
}

/** The functions of the last profile that allocated most. */
function functionsSection(profiles: readonly Allocated[]): Section {
  const last = profiles.at(-1) ?? [];
  const shown = last.filter(({ owner }) => owner !== "bench").slice(0, SHOWN);
  return {
    title: "The functions that allocate most, bytes per mutation",
    notes: [
      "Of one profile. Built-in functions have the file that called them; what V8 inlines counts",
      "for the function that it is inlined in.",
    ],
    timings: [],
    table: [
      ["bytes", "function", "file"],
      ...shown.map(({ name, file, bytes }) => [figure(bytes / (SCOPES * EACH)), name, file]),
    ],
    goals: [],
  };
}
