/** Suspensions and their answers: each is answered at most once, by its id (api-2 §7). */
import { describe, expect, it } from "vitest";
import { defineSequencer, step, type RunOutcome, type Sequencer } from "../../src/index.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { steer, World, type RuntimeStores } from "./runtime-world.ts";
import { rejection } from "../support/waiting.ts";

/** The id of the suspension a run waits for. */
function idOf(outcome: RunOutcome): string {
  if (outcome.status === "suspended") return outcome.suspension.id;
  throw new Error("the run is not suspended");
}

/** A sequencer whose first step asks `questions` times, and whose second may fail. */
function asking(questions: number, then: (answers: unknown) => unknown = () => 1): Sequencer {
  return defineSequencer({
    name: "ask",
    steps: [
      step("ask", async (ctx) => {
        const answers: unknown[] = [];
        for (let asked = 0; asked < questions; asked += 1)
          answers.push(await ctx.suspend(`question ${asked}`));
        return answers;
      }),
      step("then", (ctx) => then(ctx.previous)),
    ],
  });
}

async function begin(stores: RuntimeStores, sequence: Sequencer) {
  const world = new World(stores);
  const store = steer(world.store());
  const runtime = world.runtime({ store });
  const first = idOf(await runtime.run(sequence, { runId: "r" }).result);
  return { world, store, runtime, first, record: () => storedRun(store, "r") };
}

/** Registers what holds of answers. */
export function answerCases(stores: RuntimeStores): void {
  describe("an answer by the id of its suspension", () => {
    it("that comes twice changes nothing and gives the present outcome", async () => {
      const sequence = asking(2, (answers) => answers);
      const { world, runtime, first } = await begin(stores, sequence);
      const waiting = await runtime.resume(sequence, "r", "A", { suspension: first });
      const second = idOf(waiting);
      expect(await runtime.resume(sequence, "r", "A", { suspension: first })).toEqual(waiting);
      await runtime.close();
      const again = world.runtime();
      expect(await again.resume(sequence, "r", "A", { suspension: first })).toEqual(waiting);
      const outcome = await again.resume(sequence, "r", "B", { suspension: second });
      expect(outcome).toMatchObject({ output: ["A", "B"] });
      for (const suspension of [first, second])
        expect(await again.resume(sequence, "r", "C", { suspension })).toEqual(outcome);
    });

    it("needs no definition that fits when it is known already", async () => {
      const sequence = asking(2);
      const { runtime, first } = await begin(stores, sequence);
      const waiting = await runtime.resume(sequence, "r", "A", { suspension: first });
      const other = defineSequencer({ name: "ask", steps: [step("other", () => 1)] });
      expect(await runtime.resume(other, "r", "A", { suspension: first })).toEqual(waiting);
    });

    it("for another suspension is refused, and nothing is answered", async () => {
      const sequence = asking(1);
      const { runtime, first, record } = await begin(stores, sequence);
      const before = await record();
      const other = runtime.resume(sequence, "r", "A", { suspension: "other" });
      const error = await rejection(other, "SUSPENSION_MISMATCH");
      expect(error).toMatchObject({ expected: first, received: "other" });
      expect(await record()).toEqual(before);
      await runtime.resume(sequence, "r", "A", { suspension: first });
      const late = runtime.resume(sequence, "r", "A", { suspension: "other" });
      expect(await rejection(late, "SUSPENSION_MISMATCH")).toMatchObject({ expected: undefined });
      for (const suspension of ["", 1, null] as string[])
        await expect(runtime.resume(sequence, "r", "A", { suspension })).rejects.toThrow(TypeError);
    });

    it("may be left out, as may an id that is undefined", async () => {
      const sequence = asking(2, (answers) => answers);
      const { runtime, first } = await begin(stores, sequence);
      const waiting = await runtime.resume(sequence, "r", "A", { suspension: undefined });
      expect(await runtime.resume(sequence, "r", "A", { suspension: first })).toEqual(waiting);
      expect(await runtime.resume(sequence, "r", "B")).toMatchObject({ output: ["A", "B"] });
    });

    it("that comes again after its run failed tells why, and runs nothing", async () => {
      let broken = true;
      let tries = 0;
      const sequence = asking(1, () => {
        tries += 1;
        if (broken) throw Object.assign(new RangeError("broken"), { code: "E_BROKEN" });
        return "whole";
      });
      const { runtime, first } = await begin(stores, sequence);
      const answer = () => runtime.resume(sequence, "r", "A", { suspension: first });
      await expect(answer()).rejects.toThrow("broken");
      broken = false;
      const why = { name: "RangeError", code: "E_BROKEN", message: /step "then": broken/ };
      await expect(answer()).rejects.toMatchObject({
        ...why,
        message: expect.stringMatching(why.message),
      });
      expect(tries).toBe(1);
      expect(await runtime.resume(sequence, "r")).toMatchObject({ output: "whole" });
      expect(await answer()).toMatchObject({ output: "whole" });
    });

    it("that comes again after its run was cut off goes on with it", async () => {
      const sequence = asking(1, (answers) => answers);
      const { runtime, store, first } = await begin(stores, sequence);
      await writeRun(store, "r", (record) => ({
        ...record,
        status: "running",
        suspension: null,
        answers: ["A"],
        answered: [{ id: first, step: "ask" }],
      }));
      const outcome = await runtime.resume(sequence, "r", "B", { suspension: first });
      expect(outcome).toMatchObject({ output: ["A"] });
    });

    it("is known for the last 100 of them", async () => {
      const sequence = asking(103);
      const { runtime, first, record } = await begin(stores, sequence);
      const ids = [first];
      for (let asked = 0; asked < 102; asked += 1) {
        const suspension = ids.at(-1);
        ids.push(idOf(await runtime.resume(sequence, "r", asked, { suspension })));
      }
      const answered = ids.slice(-101, -1).map((id) => ({ id, step: "ask" }));
      expect(await record()).toMatchObject({ answered });
      const known = runtime.resume(sequence, "r", 0, { suspension: ids[2] });
      expect(idOf(await known)).toBe(ids[102]);
      const old = runtime.resume(sequence, "r", 0, { suspension: ids[1] });
      await rejection(old, "SUSPENSION_MISMATCH");
    });

    it("is taken once of many that come at once in two processes", async () => {
      const taken: unknown[] = [];
      const sequence = asking(1, (answers) => taken.push(answers));
      const [one, two] = new World(stores).pair();
      const suspension = idOf(await one.run(sequence, { runId: "r" }).result);
      const answers = [0, 1, 2, 3, 4, 5].map((n) =>
        (n % 2 === 0 ? one : two).resume(sequence, "r", n, { suspension }),
      );
      const ends = await Promise.allSettled(answers);
      for (const end of ends)
        if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "RUN_LEASED" });
      expect(ends.some(({ status }) => status === "fulfilled")).toBe(true);
      expect(taken).toHaveLength(1);
    });
  });

  describe("what a step did while the store was away", () => {
    it("is not done again by a resume in this process", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const did: string[] = [];
      const steps = ["a", "b", "c"].map((name) =>
        step(name, async (ctx) => {
          did.push(name);
          await ctx.runOnce("effect", () => {
            if (name === "b") store.before = down;
            did.push(`effect of ${name}`);
          });
        }),
      );
      const down = (operation: string): void => {
        if (operation === "commit") throw new Error("down");
      };
      const sequence = defineSequencer({ name: "s", steps });
      const run = runtime.run(sequence, { runId: "r" });
      await rejection(run.result, "STORE_UNAVAILABLE");
      await expect(runtime.resume(sequence, "r")).rejects.toThrow();
      store.before = () => undefined;
      expect(await runtime.resume(sequence, "r")).toMatchObject({ status: "completed" });
      expect(did).toEqual(["a", "effect of a", "b", "effect of b", "b", "c", "effect of c"]);
    });

    it("gives way when another process went on with the run", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const failing = step("a", () => {
        store.before = (operation) => {
          if (operation === "commit") throw new Error("down");
        };
      });
      const sequence = defineSequencer({ name: "s", steps: [failing] });
      const run = runtime.run(sequence, { runId: "r" });
      await rejection(run.result, "STORE_UNAVAILABLE");
      const theirs = { stepIndex: 1, outputs: ["theirs"], status: "completed", lease: null };
      await writeRun(world.store(), "r", (record) => ({ ...record, ...theirs }));
      store.before = () => undefined;
      expect(await runtime.resume(sequence, "r")).toMatchObject({ output: "theirs" });
    });
  });

  describe("a question that could not be stored", () => {
    it("is asked again by the next resume, and not answered by it", async () => {
      const sequence = asking(2, (answers) => answers);
      const { runtime, store, first } = await begin(stores, sequence);
      let commits = 0;
      store.before = (operation) => {
        if (operation === "commit" && (commits += 1) === 2) throw new Error("down");
      };
      const second = runtime.resume(sequence, "r", "A", { suspension: first });
      await rejection(second, "STORE_UNAVAILABLE");
      const waiting = await runtime.resume(sequence, "r");
      expect(waiting).toMatchObject({ suspension: { reason: "question 1" } });
      const answer = { suspension: idOf(waiting) };
      expect(await runtime.resume(sequence, "r", "B", answer)).toMatchObject({
        output: ["A", "B"],
      });
    });
  });
}
