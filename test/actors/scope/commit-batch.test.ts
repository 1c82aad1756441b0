import { describe, expect, it } from "vitest";
import { Entry, type Outcome } from "../../../actors/scope/mailbox.ts";
import { Round, ROUND_MAX } from "../../../actors/scope/commit-batch.ts";

function entry(deadline = Infinity): Entry {
  return new Entry({ operation: "set", write: () => undefined }, deadline, undefined);
}

function outcome(changed: boolean, value = 1): Outcome {
  const patches = [{ op: "replace", path: ["n"], value } as const];
  return { changed, error: null, patches, inverse: [], computed: undefined };
}

describe("a round", () => {
  it("commits its changes in order and leaves out what changed nothing", () => {
    const round = new Round({});
    round.add(entry(), outcome(true, 1));
    round.add(entry(), outcome(false, 2));
    round.add(entry(), outcome(true, 3));
    const changes = [...round.changesSince({})].map(([, { patches }]) => patches);
    expect(changes).toEqual([outcome(true, 1).patches, outcome(true, 3).patches]);
    expect(round.commit(7)).toEqual({
      version: 9,
      operations: ["set", "set"],
      patches: [outcome(true, 1).patches?.[0], outcome(true, 3).patches?.[0]],
    });
  });

  it("R5: commits no patches when not all of its changes were recorded", () => {
    const round = new Round({ n: 2 });
    round.add(entry(), { ...outcome(true), patches: null, inverse: null });
    round.add(entry(), outcome(true));
    expect(round.commit(7)).toEqual({ version: 9, operations: ["set", "set"], patches: [] });
    const whole = [{ op: "replace", path: ["n"], value: 2 }];
    const changes = [...round.changesSince({ n: 1 })].map(([, { patches }]) => patches);
    expect(changes).toEqual([whole, []]);
  });

  it("R4: starts again without who left", () => {
    const round = new Round({});
    const [left, stays] = [entry(), entry()];
    round.add(left, outcome(true));
    round.add(stays, outcome(true));
    left.resolve(true);
    round.spoiled = true;
    expect(round.restart()).toEqual([stays]);
    expect([round.changes, round.spoiled, stays.outcome]).toEqual([0, false, null]);
  });

  it("R3: is full at ROUND_MAX", () => {
    const round = new Round({});
    const one = entry();
    const nothing = outcome(false);
    for (let count = 1; count < ROUND_MAX; count++) round.add(one, nothing);
    expect(round.full).toBe(false);
    round.add(one, nothing);
    expect(round.full).toBe(true);
  });

  it("is deserted when everybody was answered, and knows the last deadline", () => {
    const round = new Round({});
    const [one, two] = [entry(10), entry(30)];
    round.add(one, outcome(true));
    round.add(two, outcome(true));
    one.resolve(true);
    expect([round.deserted, round.deadline]).toEqual([false, 30]);
    two.resolve(true);
    expect(round.deserted).toBe(true);
  });
});
