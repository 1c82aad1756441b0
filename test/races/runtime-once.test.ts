/**
 * A mutation with a key of `once` takes effect exactly once, and each call with the key resolves to
 * the same answer, on a store that fails: over one to three runtimes that write to the same record,
 * between other changes, and through restarts.
 */
import { expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { defineKind, type Durability } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { faultyStore } from "../../src/testing/faulty-store.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { sharingStore } from "../suites/runtime-world.ts";
import { keepingLogger } from "../support/waiting.ts";

const HISTORIES = process.env["TEST_SCALE"] === "nightly" ? 5_000 : 100;
const OPERATIONS = 150;
const CALLERS = 5;
const KEYS = 12;
/** How often a caller makes a change without a key instead, or restarts its runtime. */
const OTHER_RATE = 0.2;
const RESTART_RATE = 0.03;
const RATES = { fail: 0.02, lost: 0.02, unknown: 0.02, conflict: 0.05, duplicate: 0.05, slow: 0.1 };

interface Till {
  /** How often each key took effect. */
  effects?: Record<string, number>;
  others?: number;
}

/** What the calls with each key resolved to, and the state in the end. */
interface History {
  readonly answers: ReadonlyMap<string, ReadonlySet<number>>;
  readonly state: Till;
  readonly others: { resolved: number; begun: number };
}

async function historyOf(seed: number, durability: Durability): Promise<History> {
  const clock = simulatedClock(1);
  const random = seededRandom(seed);
  const data = faultyStore(memoryStore({ clock }), { rates: RATES, seed, clock });
  const tuning = { clock, logger: keepingLogger(), mutationTimeoutMs: 0 };
  const kinds = { till: defineKind<Till>({ durability }) };
  const make = (): Runtime<typeof kinds> =>
    createRuntime({ ...tuning, store: sharingStore(data), kinds });
  const runtimes = Array.from({ length: 1 + (seed % 3) }, make);
  const all = [...runtimes];
  const answers = new Map<string, Set<number>>();
  const others = { resolved: 0, begun: 0 };
  let [left, runs] = [OPERATIONS, 0];

  const pay = async (runtime: Runtime<typeof kinds>, once: string): Promise<void> => {
    const scope = await runtime.open("till", "t");
    const answer = await scope.transact(
      (draft) => {
        const effects = { ...draft.effects };
        draft.effects = { ...effects, [once]: (effects[once] ?? 0) + 1 };
        return (runs += 1); // No two runs have the same answer.
      },
      { once },
    );
    answers.set(once, (answers.get(once) ?? new Set()).add(answer));
  };
  const other = async (runtime: Runtime<typeof kinds>): Promise<void> => {
    const scope = await runtime.open("till", "t");
    others.begun += 1;
    await scope.atomicState(({ others: n = 0 }) => ({ others: n + 1 }));
    others.resolved += 1;
  };
  const caller = async (at: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const index = at % runtimes.length;
      const runtime = runtimes[index];
      if (runtime === undefined) throw new Error("a runtime");
      try {
        if (random() < RESTART_RATE) {
          all.push((runtimes[index] = make()));
          await runtime.close();
        } else if (random() < OTHER_RATE) await other(runtime);
        else await pay(runtime, `key-${Math.floor(random() * KEYS)}`);
      } catch (error) {
        expect(isHoldfastError(error), String(error)).toBe(true);
      }
    }
  };
  const over = new AbortController();
  const run = async (): Promise<Till> => {
    await Promise.all(Array.from({ length: CALLERS }, (_, at) => caller(at)));
    data.calm();
    await Promise.all(all.map((runtime) => runtime.close().catch(() => undefined)));
    const last = make();
    // Whatever became of the calls before, each key has taken effect after this one.
    for (let key = 0; key < KEYS; key += 1) await pay(last, `key-${key}`);
    const { state } = await last.open("till", "t");
    await last.close();
    return state;
  };
  const ended = run();
  void ended.catch(() => undefined).then(() => over.abort());
  while (!over.signal.aborted) await clock.advance(20);
  return { answers, state: await ended, others };
}

it.each(["commit", "checkpoint"] as const)(
  `of ${HISTORIES} histories of a %s kind, none has a key twice`,
  { timeout: 3_600_000 },
  async (durability) => {
    const once = Object.fromEntries(Array.from({ length: KEYS }, (_, at) => [`key-${at}`, 1]));
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const { answers, state, others } = await historyOf(seed, durability);
      expect(state.effects, `seed ${seed}`).toEqual(once);
      expect(state.others ?? 0).toBeLessThanOrEqual(others.begun);
      // A checkpoint kind answers from memory, before another process's key is known.
      if (durability !== "commit") continue;
      expect(state.others ?? 0).toBeGreaterThanOrEqual(others.resolved);
      for (const [key, each] of answers) expect([...each], `${key}, seed ${seed}`).toHaveLength(1);
    }
  },
);
