/** Forks of runs (G1 to G4 of src/runtime/sequencer/run-fork.ts). */
import { describe, expect, it } from "vitest";
import { defineKind, defineSequencer, type StepContext } from "../../src/index.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { gate, rejection, until } from "../support/waiting.ts";
import { type Counter, World, type RuntimeStores } from "./runtime-world.ts";

const KEPT = { kinds: { sequencer: defineKind({ durability: "checkpoint", history: 10 }) } };
const FROM_B = { fromStep: "b", newRunId: "f" };

/** Three steps; each notes its name and the step of its value. */
function three(ran: string[] = []) {
  const work = async (ctx: StepContext) => {
    ran.push(ctx.stepName);
    const value = await ctx.runOnce("k", () => ran.push(`${ctx.stepName} once`));
    return { value, before: ctx.previous, input: ctx.input };
  };
  return defineSequencer<Record<string, unknown>, unknown, unknown>({ name: "three", steps: [] })
    .step("a", work)
    .step("b", work)
    .step("c", work);
}

/** Three steps, each of which adds its letter to the state. */
function letters(last: (ctx: StepContext<{ text: string }>) => unknown = () => undefined) {
  const add = (ctx: StepContext<{ text: string }>) =>
    ctx.patchState({ text: ctx.state.text + ctx.stepName });
  return defineSequencer({ name: "letters", state: { text: "" } })
    .step("a", add)
    .step("b", add)
    .step("c", async (ctx) => {
      await add(ctx);
      return last(ctx);
    });
}

/** Registers what holds of forks of runs. */
export function forkRunCases(stores: RuntimeStores): void {
  describe("a fork of a run", () => {
    it("has the input and the finished steps of the other, and runs the rest (G1)", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const ran: string[] = [];
      const sequence = three(ran);
      const input = { n: 1 };
      const { result } = runtime.run(sequence, { runId: "r", input });
      const origin = await result;
      const store = world.store();
      const before = await storedRun(store, "r");
      ran.length = 0;
      const run = runtime.forkRun(sequence, "r", FROM_B);
      expect(run.runId).toBe("f");
      expect(await run.result).toMatchObject({ status: "completed", output: { input } });
      // The values of later steps are made anew.
      expect(ran).toEqual(["b", "b once", "c", "c once"]);
      const [fork, [known]] = [await runtime.checkpoints("f"), await runtime.checkpoints("r")];
      expect(fork[0]?.outputs[0]).toEqual(known?.outputs[0]);
      const effects = await storedRun(store, "f");
      expect(effects).toMatchObject({ effects: { a: { k: 2 }, b: { k: 2 }, c: { k: 4 } } });
      // The other one is as before (G4).
      expect(await storedRun(store, "r")).toEqual(before);
      expect(await runtime.run(sequence, { runId: "r" }).result).toEqual(origin);
    });

    it("of a fork begins at any step it has reached; an id is made for it", async () => {
      const runtime = new World(stores).runtime();
      const ran: string[] = [];
      const sequence = three(ran);
      await runtime.run(sequence, { runId: "r" }).result;
      await runtime.forkRun(sequence, "r", { fromStep: "c", newRunId: "f" }).result;
      ran.length = 0;
      const run = runtime.forkRun(sequence, "f", { fromStep: "a" });
      await run.result;
      expect(run.runId).toMatch(/^run_/);
      expect(ran).toEqual(["a", "a once", "b", "b once", "c", "c once"]);
    });

    it("reports its own events", async () => {
      const runtime = new World(stores).runtime();
      await runtime.run(three(), { runId: "r" }).result;
      const types: string[] = [];
      for await (const event of runtime.forkRun(three(), "r", FROM_B).events())
        types.push("step" in event ? `${event.type} ${event.step}` : event.type);
      expect(types).toEqual(["started", "step a", "step b", "step c", "completed"]);
    });

    it("has the state of the boundary where no later step changed it (G2)", async () => {
      const [first, second] = new World(stores).pair();
      await first.run(letters(), { runId: "r" }).result;
      const error = await rejection(second.forkRun(letters(), "r", FROM_B).result, "HISTORY_GONE");
      expect(error["scope"]).toMatchObject({ id: "r" });
      await rejection(first.watchRun("f").next(), "RUN_NOT_FOUND");
      const changedEarly = defineSequencer({ name: "early", state: { n: 0 } })
        .step("a", (ctx) => ctx.incState({ n: 1 }))
        .step("b", (ctx) => ctx.state.n)
        .step("c", (ctx) => ctx.state.n);
      await first.run(changedEarly, { runId: "e" }).result;
      for (const fromStep of ["b", "c"]) {
        const { result } = second.forkRun(changedEarly, "e", { fromStep });
        expect(await result).toMatchObject({ output: 1, state: { n: 1 } });
      }
      const { result } = second.forkRun(changedEarly, "e", { fromStep: "a" });
      await rejection(result, "HISTORY_GONE");
    });

    it("has the state of a checkpoint that the kind keeps (G2)", async () => {
      const [first, second] = new World(stores).pair(KEPT);
      await first.run(letters(), { runId: "r" }).result;
      for (const fromStep of ["a", "b", "c"]) {
        const { result } = second.forkRun(letters(), "r", { fromStep });
        expect(await result).toMatchObject({ state: { text: "abc" } });
      }
    });

    it("is not made from what another release left of the state (G3)", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const store = world.store();
      await runtime.run(three(), { runId: "r" }).result;
      await writeRun(store, "r", (record) => ({
        ...record,
        unchanged: { since: 0, at: 1 },
        state: { changed: true },
      }));
      await rejection(runtime.forkRun(three(), "r", FROM_B).result, "HISTORY_GONE");
    });

    it("begins with the suspended step, and has a suspension of its own", async () => {
      const runtime = new World(stores).runtime();
      const sequence = letters((ctx) => ctx.suspend("why?"));
      const origin = await runtime.run(sequence, { runId: "r" }).result;
      const fork = await runtime.forkRun(sequence, "r", { fromStep: "c", newRunId: "f" }).result;
      const [known, own] = [origin, fork].map((each) => "suspension" in each && each.suspension.id);
      expect(own).not.toBe(known);
      const done = { status: "completed", output: "yes", state: { text: "abc" } };
      expect(await runtime.resume(sequence, "f", "yes")).toEqual(done);
      expect(await runtime.resume(sequence, "r", "yes")).toEqual(done);
    });

    it("has transactions of its own", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("user", "a");
      const sequence = defineSequencer({ name: "adding" })
        .step("a", () => "a")
        .step("b", (ctx) => ctx.transact([scope], ([draft]) => (draft.n = (draft.n ?? 0) + 1)));
      await runtime.run(sequence, { runId: "r" }).result;
      expect(await runtime.forkRun(sequence, "r", FROM_B).result).toMatchObject({ output: 2 });
      expect(scope.state.n).toBe(2);
    });

    it("may be made while the other runs, at its present step", async () => {
      const runtime = new World(stores).runtime();
      const open = gate<unknown>();
      let waits = 0;
      const sequence = letters(async (ctx) => {
        await ctx.runOnce("k", () => 1); // What was before is stored.
        waits += 1;
        return waits === 1 ? open.promise : "passed";
      });
      const { result } = runtime.run(sequence, { runId: "r" });
      await until(() => waits === 1);
      const fork = runtime.forkRun(sequence, "r", { fromStep: "c" });
      expect(await fork.result).toMatchObject({ output: "passed", state: { text: "abc" } });
      open.open(null);
      expect(await result).toMatchObject({ status: "completed", state: { text: "abc" } });
    });
  });
  refusedForkRuns(stores);
}

function refusedForkRuns(stores: RuntimeStores): void {
  describe("a fork of a run is refused", () => {
    it("for an unknown run, and for a step that is unknown or not reached", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const asking = letters((ctx) => ctx.suspend("why?")).step("d", () => 1);
      await rejection(runtime.forkRun(asking, "r", FROM_B).result, "RUN_NOT_FOUND");
      await runtime.run(asking, { runId: "r" }).result;
      const from = (fromStep: unknown) =>
        rejection(runtime.forkRun(asking, "r", { ...FROM_B, fromStep: fromStep as string }).result);
      const late = await from("d");
      expect(late).toBeInstanceOf(RangeError);
      expect(late.message).toMatch(/has not reached "d", only "a", "b", "c"/);
      for (const unknown of ["e", "", undefined, 1, null]) {
        const error = await from(unknown);
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toMatch(/these are "a", "b", "c", "d"/);
      }
      expect(await storedRun(world.store(), "f")).toBeUndefined();
    });

    it("for an id in use, also by a run that executes, and of forks made at once", async () => {
      const pair = new World(stores).pair();
      const [runtime, other] = pair;
      const open = gate();
      const waiting = defineSequencer({ name: "waiting" }).step("a", () => open.promise);
      const { result } = runtime.run(waiting, { runId: "w" });
      await runtime.run(three(), { runId: "r" }).result;
      for (const newRunId of ["w", "r"]) {
        const { result: refused } = runtime.forkRun(three(), "r", { fromStep: "b", newRunId });
        const error = await rejection(refused, "SCOPE_EXISTS");
        expect(error["scope"]).toEqual({ type: "sequencer", id: newRunId });
      }
      open.open();
      await result;
      await rejection(
        other.forkRun(three(), "r", { ...FROM_B, newRunId: "w" }).result,
        "SCOPE_EXISTS",
      );
      const forks = [...pair, ...pair].map((each) => each.forkRun(three(), "r", FROM_B).result);
      const made = await Promise.allSettled(forks);
      expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const each of made)
        if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "SCOPE_EXISTS" });
    });

    it("for another sequencer, changed steps, and other arguments", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      await runtime.run(three(), { runId: "r" }).result;
      const other = defineSequencer({ name: "other" }).step("b", () => 1);
      const changed = defineSequencer({ name: "three" })
        .step("x", () => 1)
        .step("b", () => "b of changed");
      const refused = async (...given: readonly unknown[]) => {
        const { result } = Reflect.apply(runtime.forkRun, runtime, given);
        return rejection(result);
      };
      expect(await refused(other, "r", FROM_B)).toBeInstanceOf(TypeError);
      expect(await refused({}, "r", FROM_B)).toBeInstanceOf(TypeError);
      expect(await refused(three(), "r", { ...FROM_B, at: 1 })).toBeInstanceOf(TypeError);
      expect(await refused(three(), "r", { ...FROM_B, newRunId: "" })).toBeInstanceOf(TypeError);
      expect(await refused(changed, "r", FROM_B)).toMatchObject({ code: "SEQUENCER_CHANGED" });
      expect(await storedRun(world.store(), "f")).toBeUndefined();
      const moved = defineSequencer({
        name: "three",
        version: 2,
        onChange: ({ stored }) => stored.at(-1) ?? "",
      })
        .step("x", () => 1)
        .step("b", (ctx) => ctx.previous);
      const { result } = runtime.forkRun(moved, "r", FROM_B);
      expect(await result).toMatchObject({ status: "completed", output: undefined });
      await runtime.close();
      expect(await refused(three(), "r", FROM_B)).toMatchObject({ code: "RUNTIME_CLOSED" });
    });
  });
}
