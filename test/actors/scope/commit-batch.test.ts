import { describe, expect, it } from "vitest";
import { Call, type Outcome } from "../../../actors/scope/mailbox.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import { CommitBatch, BATCH_MAX } from "../../../actors/scope/commit-batch.ts";

function call(deadline = Infinity): Call {
  return new Call({ operation: "set", write: () => undefined }, deadline, undefined);
}

function outcome(changed: boolean, value = 1): Outcome {
  const patches = [{ op: "replace", path: ["n"], value } as const];
  return { changed, error: null, patches, inverse: [], computed: undefined };
}

const settings = scopeSettings({}, { checks: null });
const scope = { version: 7, exists: true, settings };

describe("a commit batch", () => {
  it("commits its changes in order and leaves out what changed nothing", () => {
    const batch = new CommitBatch({});
    batch.add(call(), outcome(true, 1));
    batch.add(call(), outcome(false, 2));
    batch.add(call(), outcome(true, 3));
    const changes = [...batch.changesSince({})].map(([, { patches }]) => patches);
    expect(changes).toEqual([outcome(true, 1).patches, outcome(true, 3).patches]);
    expect(batch.commit(scope)).toEqual({
      version: 9,
      operations: ["set", "set"],
      patches: [outcome(true, 1).patches?.[0], outcome(true, 3).patches?.[0]],
    });
  });

  it("R5: commits no patches when not all of its changes were recorded", () => {
    const batch = new CommitBatch({ n: 2 });
    batch.add(call(), { ...outcome(true), patches: null, inverse: null });
    batch.add(call(), outcome(true));
    expect(batch.commit(scope)).toEqual({ version: 9, operations: ["set", "set"], patches: [] });
    const whole = [{ op: "replace", path: ["n"], value: 2 }];
    const changes = [...batch.changesSince({ n: 1 })].map(([, { patches }]) => patches);
    expect(changes).toEqual([whole, []]);
  });

  it("R4: starts again without who left", () => {
    const batch = new CommitBatch({});
    const [left, stays] = [call(), call()];
    batch.add(left, outcome(true));
    batch.add(stays, outcome(true));
    left.resolve(true);
    batch.needsReplay = true;
    expect(batch.restart()).toEqual([stays]);
    expect([batch.changes, batch.needsReplay, stays.outcome]).toEqual([0, false, null]);
  });

  it("R3: is full at BATCH_MAX", () => {
    const batch = new CommitBatch({});
    const one = call();
    const nothing = outcome(false);
    for (let count = 1; count < BATCH_MAX; count++) batch.add(one, nothing);
    expect(batch.full).toBe(false);
    batch.add(one, nothing);
    expect(batch.full).toBe(true);
  });

  it("is abandoned when everybody was answered, and knows the last deadline", () => {
    const batch = new CommitBatch({});
    const [one, two] = [call(10), call(30)];
    batch.add(one, outcome(true));
    batch.add(two, outcome(true));
    one.resolve(true);
    expect([batch.abandoned, batch.deadline]).toEqual([false, 30]);
    two.resolve(true);
    expect(batch.abandoned).toBe(true);
  });
});
