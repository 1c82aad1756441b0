/** Undo, redo and rewind by processes that are killed again and again. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { applyPatches } from "../../src/patches/apply-patches.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { openStore } from "../faults/open-store.ts";
import { type Child, startChild } from "../support/child.ts";

const LONGEST_MS = 80;
/** Nightly runs kill so many times as often. */
const SCALE = process.env["TEST_SCALE"] === "nightly" ? 20 : 1;
/** Changes of one call of the child, none of which was answered. */
const IN_FLIGHT = 4;
/** Versions, the newest ones, whose states are read by `at`. */
const READ = 8;

const page = defineKind({ initial: { n: 0, text: "x".repeat(200) }, history: 100_000 });

/** What undo and redo lead to, by the plainest model: a stack of states for each. */
class Line {
  readonly #undo: object[] = [];
  #redo: object[] = [];

  /** The state that a change leads to; `undefined`: to any. */
  expected(operation: string, before: object): object | undefined {
    if (operation === "undo") {
      this.#redo.push(before);
      return this.#undo.pop() ?? expect.fail("nothing to undo");
    }
    this.#undo.push(before);
    if (operation === "redo") return this.#redo.pop() ?? expect.fail("nothing to redo");
    this.#redo = [];
    return undefined;
  }
}

/** Checks what is stored; resolves to the number of changes by operation. */
async function check(
  kind: string,
  place: string,
  answered: ReadonlyMap<number, number>,
): Promise<Readonly<Record<string, number>>> {
  const runtime = createRuntime({ store: openStore(kind, place), kinds: { page } });
  const scope = await runtime.open("page", "one");
  const last = Math.max(0, ...answered.keys());
  expect(scope.version).toBeGreaterThanOrEqual(last);
  expect(scope.version).toBeLessThanOrEqual(last + IN_FLIGHT);
  const changes = [];
  for await (const change of scope.history()) changes.unshift(change);
  const states: object[] = [page.initial ?? {}];
  const counts: Record<string, number> = {};
  const line = new Line();
  for (const [at, { version, operation, patches, inversePatches }] of changes.entries()) {
    expect(version).toBe(at + 1);
    const before = states[at] ?? {};
    const after = applyPatches(before, patches);
    expect(applyPatches(after, inversePatches)).toEqual(before);
    expect(after).toEqual(line.expected(operation, before) ?? after);
    if (answered.has(version)) expect(after).toMatchObject({ n: answered.get(version) });
    counts[operation] = (counts[operation] ?? 0) + 1;
    states.push(after);
  }
  expect(scope.version).toBe(states.length - 1);
  expect(scope.state).toEqual(states.at(-1));
  for (let version = Math.max(0, scope.version - READ); version <= scope.version; version += 1)
    expect((await scope.at(version)).state).toEqual(states[version]);
  await runtime.close();
  return counts;
}

/** Kills a process that goes back and forth on the store of `kind` at `place`, so many times. */
export function killPastSuite(kind: string, place: string, { cycles }: { cycles: number }): void {
  const count = cycles * SCALE;

  it(
    `undo, redo and rewind on ${kind} are whole or not there after each of ${count} kills`,
    { timeout: count * 6_000 },
    async () => {
      const random = seededRandom(31);
      const start = (seed: number): Child =>
        startChild("time-traveller.ts", [kind, place, `${seed}`]);
      const answered = new Map<number, number>();
      let child = start(0);
      let counts: Readonly<Record<string, number>> = {};
      for (let cycle = 1; cycle <= count; cycle += 1) {
        child.begin();
        await child.started;
        await sleep(random() * LONGEST_MS);
        child.process.kill("SIGKILL");
        expect(await child.closed).toBe(null);
        for (const text of child.output().split("\n").slice(0, -1)) {
          const [version = 0, n = 0] = text.split(" ").map(Number);
          answered.set(version, n);
        }
        child = start(cycle);
        counts = await check(kind, place, answered);
      }
      child.process.kill("SIGKILL");
      await child.closed;
      for (const operation of ["patch", "undo", "redo", "rewind"])
        expect(counts[operation], operation).toBeGreaterThan(0);
    },
  );
}
