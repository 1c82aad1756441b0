/**
 * A child process that changes one scope without end, goes back and forth in its history, and
 * prints each version that was answered with the `n` of its state, once told to begin:
 * `kind place seed`.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createRuntime, defineKind } from "../../src/index.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", seed = "0"] = process.argv;
const random = seededRandom(Number(seed));
// The parent starts the next child while it checks what the last one left.
await once(process.stdin, "data");
const page = defineKind({ initial: { n: 0, text: "x".repeat(200) }, history: 100_000 });
const runtime = createRuntime({ store: openStore(kind, place), kinds: { page } });
const scope = await runtime.open("page", "one");

/** What the child does, in turns; each process begins with another one, so that all are there. */
const ACTS: readonly (() => Promise<unknown>)[] = [
  () => scope.patchState({ n: scope.version + 1 }),
  // Several in one commit.
  () =>
    Promise.all([
      scope.patchState({ n: scope.version + 1 }),
      scope.undo(),
      scope.undo(),
      scope.redo(),
    ]),
  () => scope.undo(),
  () => scope.rewind(Math.max(0, scope.version - 1)),
  () => scope.redo(),
  () => scope.rewind(Math.floor(random() * (scope.version + 1))),
];

for (let act = Number(seed); ; act += random() < 0.5 ? 1 : 5) {
  await ACTS[act % ACTS.length]?.();
  // Synchronous: the line is in the pipe before the next change begins.
  writeSync(1, `${scope.version} ${scope.state.n}\n`);
}
