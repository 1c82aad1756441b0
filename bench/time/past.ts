/** T2: reading states of the past, and going back. */
import { performance } from "node:perf_hooks";
import { createPlace } from "../contention/place.ts";
import { type StoreName, WAYS } from "../contention/site.ts";
import { createRuntime, defineKind } from "../subject.ts";
import { atMost, figure, type Section } from "../support.ts";

const VERSIONS = 10_000;
const READS = 1_000;
const UNDOS = 200;

/** The value below which a part of the sorted times lies; milliseconds. */
function quantile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN;
}

async function timed(count: number, work: (index: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await work(index);
    times.push(performance.now() - start);
  }
  return times;
}

function row(name: string, times: readonly number[]): string[] {
  return [
    name,
    ...[0.5, 0.99, 1].map((part) => `${figure(quantile(times, Math.min(part, 0.9999)))} ms`),
  ];
}

/** `at` of versions all over a history of 10,000, then undo and redo. */
export async function pastSection(store: StoreName): Promise<Section> {
  const doc = defineKind({
    initial: { n: 0, text: "x".repeat(1_000) },
    history: VERSIONS + 2 * UNDOS,
  });
  const runtime = createRuntime({ kinds: { doc }, store: createPlace(store).store });
  const scope = await runtime.open("doc", "one");
  for (let n = 1; n <= VERSIONS; n += 1) await scope.patchState({ n });
  const expect = (right: boolean): void => {
    if (!right) throw new Error("a state of the past was wrong");
  };
  const at = await timed(READS, async (index) => {
    const version = 1 + ((index * 7_919) % VERSIONS); // All over the history, no two neighbours.
    const found = await scope.at(version);
    expect(found.state.n === version && found.version === version);
  });
  const undo = await timed(UNDOS, async (index) => {
    await scope.undo();
    expect(scope.state.n === VERSIONS - 1 - index);
  });
  const redo = await timed(UNDOS, async (index) => {
    await scope.redo();
    expect(scope.state.n === VERSIONS - UNDOS + 1 + index);
  });
  await runtime.close();
  const place = { id: "T2", work: `at, 99 of 100 reads, ${store}` };
  return {
    title: `T2: states of the past of a scope with ${VERSIONS} versions, ${WAYS[store]}`,
    notes: [
      "Each state that was read, undone or redone was compared with the one of its version. An undo",
      "that follows others reads the changes between, to find what it restores.",
    ],
    timings: [],
    table: [
      ["work", "half in", "99 % in", "longest"],
      row(`at(version), ${READS} times`, at),
      row(`undo, ${UNDOS} times`, undo),
      row(`redo, ${UNDOS} times`, redo),
    ],
    goals: store === "sqlite" ? [atMost(place, quantile(at, 0.99), 5, "ms")] : [],
  };
}
