/** Runs that another release stored, an earlier one without the names of their steps (N3). */
import { describe, expect, it } from "vitest";
import { defineSequencer, step, type JsonObject, type Sequencer } from "../../src/index.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";
import { rejection } from "../support/waiting.ts";

/** A run of `s` as the first release stored it: one step finished, the second begun. */
const RECORD: JsonObject = {
  runId: "r",
  sequencer: "s",
  stepIndex: 1,
  input: { cups: 2 },
  state: { n: 1 },
  outputs: ["A"],
  status: "running",
  once: {},
  answers: [],
  suspension: null,
  createdAt: 1,
  lease: null,
  scopes: {},
  history: [],
};

async function found(stores: RuntimeStores, fields: JsonObject) {
  const world = new World(stores);
  await writeRun(world.store(), "r", () => ({ ...RECORD, ...fields }));
  return { runtime: world.runtime(), record: () => storedRun(world.store(), "r") };
}

/** Steps that charge once each. */
function charging(charged: string[], names: string): Sequencer {
  const steps = names.split(" ").map((name) =>
    step(name, async (ctx) => {
      const before = String(ctx.previous);
      return ctx.runOnce("charge", () => `${name} after ${before}, ${charged.push(name)}`);
    }),
  );
  return defineSequencer({ name: "s", steps });
}

/** Registers what holds of them. */
export function earlierCases(stores: RuntimeStores): void {
  describe("a run of an earlier release", () => {
    it("goes on where it was, with the effect its step had, and then by step", async () => {
      const { runtime, record } = await found(stores, { once: { charge: "paid" } });
      const charged: string[] = [];
      const outcome = await runtime.run(charging(charged, "a b c"), {
        runId: "r",
        input: { cups: 2 },
      }).result;
      expect(outcome).toMatchObject({ output: "c after paid, 1", state: { n: 1 } });
      expect(charged).toEqual(["c"]);
      expect(await record()).toMatchObject({
        steps: ["a", "b", "c"],
        effects: { b: { charge: "paid" }, c: { charge: "c after paid, 1" } },
      });
    });

    it("keeps what a later release has added to it, and gets what it lacks", async () => {
      const { runtime, record } = await found(stores, { later: { by: ["another", 1] } });
      const begun = await runtime.resume(charging([], "a b c"), "r");
      expect(begun).toMatchObject({ output: "c after b after A, 1, 2" });
      expect(await record()).toMatchObject({
        later: { by: ["another", 1] },
        unchanged: { since: 1, at: 3 },
        ends: [expect.any(Number), expect.any(Number)],
      });
      expect(await record()).not.toHaveProperty("once");
    });

    it("is answered with the id of its suspension, and without", async () => {
      for (const options of [{ suspension: "q1" }, {}]) {
        const waiting = { status: "suspended", suspension: { id: "q1", reason: "why" } };
        const { runtime } = await found(stores, waiting);
        const steps = [step("a", () => 1), step("b", (ctx) => ctx.suspend("why"))];
        const sequence = defineSequencer({ name: "s", steps });
        expect(await runtime.run(sequence, { runId: "r" }).result).toEqual(waiting);
        expect(await runtime.resume(sequence, "r", 7, options)).toMatchObject({ output: 7 });
      }
    });

    it("is refused when the sequencer has fewer steps than it finished", async () => {
      const fields = { stepIndex: 2, outputs: ["A", "B"] };
      const { runtime, record } = await found(stores, fields);
      const charged: string[] = [];
      const resuming = runtime.resume(charging(charged, "a b"), "r");
      expect(await rejection(resuming, "SEQUENCER_CHANGED")).toMatchObject({
        stored: ["a", "b", "#2"],
        defined: ["a", "b"],
      });
      expect(await record()).toEqual({ ...RECORD, ...fields });
      expect(charged).toEqual([]);
    });

    it("that failed while its end was being stored is completed", async () => {
      const { runtime } = await found(stores, { status: "failed" });
      const charged: string[] = [];
      expect(await runtime.resume(charging(charged, "a"), "r")).toMatchObject({ output: "A" });
      expect(charged).toEqual([]);
    });

    it("is held to the names that it has, when that release went on with a newer run", async () => {
      const mixed = { stepIndex: 2, outputs: ["A", "B"], steps: ["a", "b"], effects: {} };
      const { runtime } = await found(stores, mixed);
      const charged: string[] = [];
      const other = runtime.resume(charging(charged, "a x c"), "r");
      await rejection(other, "SEQUENCER_CHANGED");
      const outcome = await runtime.resume(charging(charged, "a b c"), "r");
      expect(outcome).toMatchObject({ output: "c after B, 1" });
    });
  });
}
