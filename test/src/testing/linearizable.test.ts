import { describe, expect, it } from "vitest";
import {
  checkLinearizable,
  type SequentialModel,
  type TimedOperation,
} from "../../../src/testing/linearizable.ts";
import { seededRandom } from "../../../src/testing/random.ts";

type Input = { readonly read: true } | { readonly write: number } | { readonly add: number };
type History = TimedOperation<Input, number>[];

/** A register: a write answers with its value, a read and an add with what is there afterwards. */
const register: SequentialModel<number, Input, number> = {
  initial: 0,
  step(state, input) {
    const next = "write" in input ? input.write : state + ("add" in input ? input.add : 0);
    return { state: next, output: next };
  },
};

/** Every order of every choice of operations, without any cleverness. */
function bruteForce(history: History): boolean {
  function go(state: number, left: readonly number[]): boolean {
    if (left.every((at) => history[at]?.end === undefined)) return true;
    return left.some((at) => {
      const operation = history[at];
      if (operation === undefined) return false;
      const isLate = left.some((other) => (history[other]?.end ?? Infinity) < operation.start);
      if (isLate) return false;
      const { state: next, output } = register.step(state, operation.input);
      if (operation.end !== undefined && output !== operation.output) return false;
      return go(
        next,
        left.filter((other) => other !== at),
      );
    });
  }
  return go(
    register.initial,
    history.map((_, at) => at),
  );
}

function randomHistory(seed: number): History {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  return Array.from({ length: 1 + below(7) }, () => {
    const start = below(12);
    const inputs: Input[] = [{ read: true }, { write: below(3) }, { add: 1 }];
    const input = inputs[below(3)] ?? { read: true };
    if (random() < 0.15) return { input, start };
    return {
      input,
      output: "write" in input ? input.write : below(4),
      start,
      end: start + below(6),
    };
  });
}

describe("checkLinearizable", () => {
  it("agrees with brute force on random histories of up to 7 operations", () => {
    const runs = process.env["TEST_SCALE"] === "nightly" ? 200_000 : 4000;
    let accepted = 0;
    for (let seed = 0; seed < runs; seed += 1) {
      const history = randomHistory(seed);
      const { ok } = checkLinearizable(history, register);
      expect(ok, `seed ${seed}`).toBe(bruteForce(history));
      accepted += Number(ok);
    }
    // Both answers must occur often, or the comparison says little.
    expect(accepted).toBeGreaterThan(runs / 20);
    expect(accepted).toBeLessThan((runs * 19) / 20);
  });

  it("gives an order that the model confirms", () => {
    const history: History = [
      { input: { add: 1 }, output: 2, start: 0, end: 9 },
      { input: { add: 1 }, output: 1, start: 1, end: 8 },
      { input: { read: true }, output: 2, start: 10, end: 11 },
    ];
    expect(checkLinearizable(history, register)).toEqual({ ok: true, order: [1, 0, 2] });
  });

  it("finds a lost update and a stale read", () => {
    const lost: History = [
      { input: { add: 1 }, output: 1, start: 0, end: 5 },
      { input: { add: 1 }, output: 1, start: 1, end: 4 },
    ];
    expect(checkLinearizable(lost, register).ok).toBe(false);
    const stale: History = [
      { input: { write: 1 }, output: 1, start: 0, end: 1 },
      { input: { read: true }, output: 0, start: 2, end: 3 },
    ];
    expect(checkLinearizable(stale, register)).toEqual({ ok: false, longest: [0] });
  });

  it("lets an operation of unknown outcome have happened, later or never", () => {
    const unknown = { input: { write: 7 }, start: 0 } as const;
    for (const output of [7, 0]) {
      const history: History = [unknown, { input: { read: true }, output, start: 5, end: 6 }];
      expect(checkLinearizable(history, register).ok).toBe(true);
    }
    const early: History = [
      { input: { read: true }, output: 7, start: 0, end: 1 },
      { input: { write: 7 }, start: 2 },
    ];
    expect(checkLinearizable(early, register).ok).toBe(false);
  });

  it("is quick enough for long histories", () => {
    const history: History = Array.from({ length: 1000 }, (_, at) => ({
      input: { add: 1 },
      output: at + 1,
      start: at,
      end: at + 4,
    }));
    expect(checkLinearizable(history, register).ok).toBe(true);
  });
});
