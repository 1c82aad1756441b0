/** How a replay of changes ends (C3 of src/runtime/replayed-changes.ts). */
import { expect, it, onTestFinished } from "vitest";
import { createRuntime, defineKind, memoryStore } from "../../../src/index.ts";
import { ReplayedChanges } from "../../../src/runtime/replayed-changes.ts";
import { residentOf } from "../../../src/runtime/handle.ts";
import { faultyStore } from "../../../src/testing.ts";
import { rejection } from "../../support/waiting.ts";

it("is over for the live changes too when the store cannot be read", async () => {
  let isAway = false;
  const store = faultyStore(memoryStore(), { choose: () => (isAway ? "fail" : undefined) });
  const kinds = { note: defineKind({ initial: { n: 0 }, history: 10 }) };
  const runtime = createRuntime({ store, kinds });
  onTestFinished(() => runtime.close());
  const scope = residentOf(await runtime.open("note", "n"));
  if (scope === undefined) throw new Error("a handle has a scope");
  await scope.patchState({ n: 1 });
  let hasLeft = false;
  const live = {
    next: () => new Promise<never>(() => undefined),
    return() {
      hasLeft = true;
      return Promise.resolve({ done: true as const, value: undefined });
    },
    [Symbol.asyncIterator]: () => live,
  };
  const replay = { since: 0, live, version: 1, signal: undefined };
  const changes = new ReplayedChanges<object>(scope, replay);
  isAway = true;
  await rejection(changes.next(), "STORE_UNAVAILABLE");
  expect(hasLeft).toBe(true);
});
