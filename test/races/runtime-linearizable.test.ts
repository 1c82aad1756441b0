/**
 * P1: what many callers of one scope see is what one after another would have seen, on a store that
 * fails; over one to three runtimes that write to the same record. Calls that write nothing are in
 * it: no change, a mutator that throws, a read.
 */
import { expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { faultyStore } from "../../src/testing/faulty-store.ts";
import {
  checkLinearizable,
  type SequentialModel,
  type TimedOperation,
} from "../../src/testing/linearizable.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { keepingLogger } from "../support/waiting.ts";

const isNightly = process.env["TEST_SCALE"] === "nightly";
const HISTORIES = isNightly ? 10_000 : 200;
const OPERATIONS = isNightly ? 1_000 : 200;
const CALLERS = 5;
const READ_RATE = 0.4;
const WAYS = ["same", "throw", "read"] as const;

interface Register {
  n?: number;
}

/** `by: 0` writes nothing, in one of three ways. */
interface Input {
  readonly by: number;
  readonly how: "same" | "throw" | "read";
}

const REFUSED = new Error("refused by the mutator");

const model: SequentialModel<number, Input, number> = {
  initial: 0,
  step: (state, { by }) => ({ state: state + by, output: state + by }),
  identify: String,
};

/** One call: what it saw in its turn plus what it added. */
async function call(scope: Scope<Register>, { by, how }: Input): Promise<number> {
  if (by === 0 && how === "read") return (await scope.read()).n ?? 0;
  let seen = 0;
  const done = scope.atomicState(({ n = 0 }) => {
    seen = n + by;
    if (by === 0 && how === "throw") throw REFUSED;
    return { n: seen };
  });
  await done.catch((error: unknown) => {
    if (error !== REFUSED) throw error;
  });
  return seen;
}

async function historyOf(seed: number): Promise<TimedOperation<Input, number>[]> {
  const clock = simulatedClock(1);
  const random = seededRandom(seed);
  const rates = {
    fail: 0.02,
    lost: 0.01,
    unknown: 0.01,
    conflict: 0.05,
    duplicate: 0.05,
    slow: 0.1,
  };
  const store = faultyStore(memoryStore({ clock }), { rates, seed, clock });
  const tuning = { store, clock, logger: keepingLogger(), mutationTimeoutMs: 0 };
  const runtimes = Array.from({ length: 1 + (seed % 3) }, () => createRuntime(tuning));
  const history: TimedOperation<Input, number>[] = [];
  let time = 0;
  let left = OPERATIONS;
  const caller = async (at: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const runtime = runtimes[at % runtimes.length];
      const scope = await runtime?.open<Register>("user", "u").catch(() => undefined);
      if (scope === undefined) continue;
      const by = random() < READ_RATE ? 0 : 1 + Math.floor(random() * 1_000);
      const input: Input = { by, how: WAYS[Math.floor(random() * WAYS.length)] ?? "same" };
      const start = (time += 1);
      try {
        const output = await call(scope, input);
        history.push({ input, output, start, end: (time += 1) });
      } catch (error) {
        // Everything else is a promise that nothing happened.
        if (isHoldfastError(error, "COMMIT_UNKNOWN")) {
          if (input.by > 0) history.push({ input, start }); // Else it has no effect either way.
        } else expect(isHoldfastError(error), String(error)).toBe(true);
      }
    }
  };
  const over = new AbortController();
  const all = Promise.all(Array.from({ length: CALLERS }, (_, at) => caller(at)));
  void all.finally(() => over.abort());
  while (!over.signal.aborted) await clock.advance(20);
  await all;
  store.calm();
  await Promise.all(runtimes.map((runtime) => runtime.close()));
  return history;
}

it(
  `P1 ${HISTORIES} histories of ${OPERATIONS} operations are linearizable`,
  { timeout: 3_600_000 },
  async () => {
    let overlaps = 0;
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const history = await historyOf(seed);
      expect(history.length).toBeGreaterThan(OPERATIONS / 2);
      const verdict = checkLinearizable(history, model);
      expect(verdict.ok, `seed ${seed}`).toBe(true);
      overlaps += history.filter(({ start, end }) => end === undefined || end > start + 1).length;
    }
    expect(overlaps).toBeGreaterThan(HISTORIES);
  },
);
