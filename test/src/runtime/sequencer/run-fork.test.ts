/** Forks of runs that fail before they begin (src/runtime/sequencer/run-fork.ts). */
import { expect, it, onTestFinished } from "vitest";
import { defineKind, defineSequencer, memoryStore } from "../../../../src/index.ts";
import { faultyStore } from "../../../../src/testing.ts";
import { runtimeOn, storedRun } from "../../../support/sequencer.ts";
import { rejection, settled } from "../../../support/waiting.ts";

it("stores no fork whose scopes cannot be opened, so that it can be made again", async () => {
  let isAway = false;
  const members = faultyStore(memoryStore(), { choose: () => (isAway ? "fail" : undefined) });
  const store = memoryStore();
  const kinds = { member: defineKind({ initial: { n: 0 }, store: members }) };
  const runtime = runtimeOn(store, { kinds });
  onTestFinished(() => runtime.close());
  const order = defineSequencer({ name: "order" })
    .step("weigh", () => 1)
    .step("send", () => 2);
  const user = await runtime.open("member", "ann");
  await runtime.run(order, { runId: "first", scopes: { user } }).result;
  const fork = (): Promise<unknown> =>
    runtime.forkRun(order, "first", { fromStep: "send", newRunId: "second" }).result;
  isAway = true;
  await rejection(fork(), "STORE_UNAVAILABLE");
  await settled();
  expect(await storedRun(store, "second")).toBeUndefined();
  isAway = false;
  expect(await fork()).toMatchObject({ status: "completed", output: 2 });
});
