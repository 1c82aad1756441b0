/** What a suspension may carry, how it is answered, and how its time ends (api-2 §7, §10.15; Q6). */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineSequencer, type RunOutcome, type StepContext } from "../../src/index.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { storedRun } from "../support/sequencer.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";
import { rejection } from "../support/waiting.ts";

const START = 1_000_000;
const WAIT_MS = 60_000;

function begin(stores: RuntimeStores) {
  const clock = simulatedClock(START);
  const world = new World(stores, clock);
  const runtime = world.runtime();
  const other = world.store();
  return { clock, world, runtime, record: () => storedRun(other, "r") };
}

/** The suspension of a run that waits. */
function suspensionOf(outcome: RunOutcome) {
  if (outcome.status === "suspended") return outcome.suspension;
  throw new Error("the run is not suspended");
}

function asking(ask: (ctx: StepContext) => unknown) {
  return defineSequencer({ name: "ask" }).step("ask", ask);
}

/** A step that asks for a time, and then asks something else. */
const patient = asking(async (ctx) => {
  const first = await ctx
    .suspend<string>({ reason: "first", timeoutMs: WAIT_MS })
    .catch((error: { code: string }) => error.code);
  return [first, await ctx.suspend<string>("second")];
});

/** Registers what holds of questions. */
export function questionCases(stores: RuntimeStores): void {
  describe("a suspension", () => {
    it("carries its reason, its data and its end", async () => {
      const { runtime } = begin(stores);
      const sequence = asking((ctx) =>
        ctx.suspend({ reason: { kind: "vote" }, data: { cups: 2 }, timeoutMs: WAIT_MS }),
      );
      const outcome = await runtime.run(sequence, { runId: "r" }).result;
      const { id, ...rest } = suspensionOf(outcome);
      expect(id).toEqual(expect.any(String));
      const data = { cups: 2 };
      expect(rest).toEqual({ reason: { kind: "vote" }, data, timeoutAt: START + WAIT_MS });
    });

    it.each([
      ["a text", "why"],
      ["an object without an own reason", { question: "why" }],
      ["an object that inherits one", { ...Object.create({ reason: 1 }), own: 1 }],
      ["a list", [1]],
      ["null", null],
    ])("takes %s as its reason", async (_, reason: unknown) => {
      const { runtime } = begin(stores);
      const sequence = asking((ctx) => ctx.suspend(reason as string));
      const outcome = await runtime.run(sequence).result;
      expect(suspensionOf(outcome)).toEqual({ id: expect.any(String), reason });
    });

    it.each([
      ["an unknown option", { reason: "x", timeout: 1 }, { name: "TypeError" }],
      ["a time that is NaN", { reason: "x", timeoutMs: Number.NaN }, { name: "RangeError" }],
      ["no time at all", { reason: "x", timeoutMs: 0 }, { name: "RangeError" }],
      ["no schema", { reason: "x", schema: 5 }, { name: "TypeError" }],
      ["data of no use", { reason: "x", data: () => 1 }, { code: "STATE_NOT_SERIALIZABLE" }],
      ["a reason of no use", () => 1, { code: "STATE_NOT_SERIALIZABLE" }],
    ])("with %s fails the step, whatever its code does", async (_, asked, error) => {
      const { runtime } = begin(stores);
      const sequence = asking(async (ctx) => {
        await ctx.suspend(asked as never).catch(() => undefined);
        return "went on";
      });
      const run = runtime.run(sequence, { runId: "r" });
      await expect(run.result).rejects.toMatchObject(error);
      expect(await runtime.checkpoints("r")).toMatchObject([{ status: "failed" }]);
    });

    it("refuses data that does not fit, stays open under its id, and fills in defaults", async () => {
      const { world, runtime, record } = begin(stores);
      const schema = z.object({ yes: z.boolean(), note: z.string().default("none") });
      let starts = 0;
      const sequence = asking(async (ctx) => {
        starts += 1;
        return [await ctx.suspend({ reason: "ok?", schema }), await ctx.suspend("more?")];
      });
      const asked = suspensionOf(await runtime.run(sequence, { runId: "r" }).result);
      for (const bad of [undefined, { yes: "no" }, 5]) {
        const options = bad === 5 ? {} : { suspension: asked.id };
        const error = await rejection(runtime.resume(sequence, "r", bad, options), "STATE_INVALID");
        expect(error.message).toContain("data of the resume does not fit");
        const open = { status: "suspended", suspension: asked, answers: [], answered: [] };
        expect(await record()).toMatchObject({ ...open, error: null });
      }
      await runtime.close();
      const again = world.runtime();
      const { id } = asked;
      const more = await again.resume(sequence, "r", { yes: true }, { suspension: id });
      expect(suspensionOf(more)).toMatchObject({ reason: "more?" });
      expect(await again.resume(sequence, "r", { yes: 5 }, { suspension: id })).toEqual(more);
      const outcome = await again.resume(sequence, "r", "end");
      expect(outcome).toMatchObject({ output: [{ yes: true, note: "none" }, "end"] });
      expect(starts).toBe(6);
    });
  });

  describe("a suspension whose time is over", () => {
    it("rejects in the step, for whichever call finds it", async () => {
      const { clock, world, runtime } = begin(stores);
      await runtime.run(patient, { runId: "r" }).result;
      await clock.advance(WAIT_MS - 1);
      const waiting = await runtime.run(patient, { runId: "r" }).result;
      expect(suspensionOf(waiting)).toMatchObject({ reason: "first" });
      await runtime.close();
      await clock.advance(1);
      const again = world.runtime();
      const second = await again.run(patient, { runId: "r" }).result;
      expect(suspensionOf(second)).toMatchObject({ reason: "second" });
      const outcome = await again.resume(patient, "r", "yes");
      expect(outcome).toMatchObject({ output: ["SUSPENSION_TIMEOUT", "yes"] });
    });

    it.each([["with"], ["without"]])("takes no late answer %s its id", async (way) => {
      const { clock, runtime } = begin(stores);
      const first = suspensionOf(await runtime.run(patient, { runId: "r" }).result);
      await clock.advance(WAIT_MS);
      const options = way === "with" ? { suspension: first.id } : {};
      const second = await runtime.resume(patient, "r", "late", options);
      expect(suspensionOf(second)).toMatchObject({ reason: "second" });
      const later = runtime.resume(patient, "r", "later", { suspension: first.id });
      await rejection(later, "SUSPENSION_MISMATCH");
      const outcome = await runtime.resume(patient, "r", "yes");
      expect(outcome).toMatchObject({ output: ["SUSPENSION_TIMEOUT", "yes"] });
    });

    it("fails a step that does not catch it, without another try; a resume asks anew", async () => {
      const { clock, runtime } = begin(stores);
      const sequence = defineSequencer({ name: "ask" }).step(
        "ask",
        async (ctx) => [
          await ctx.suspend("first"),
          await ctx.suspend({ reason: "second", timeoutMs: WAIT_MS }),
        ],
        { retry: { attempts: 5 } },
      );
      await runtime.run(sequence, { runId: "r" }).result;
      const asked = suspensionOf(await runtime.resume(sequence, "r", 1));
      await clock.advance(WAIT_MS);
      const late = runtime.resume(sequence, "r", 2, { suspension: asked.id });
      expect(await rejection(late, "SUSPENSION_TIMEOUT")).toMatchObject({
        name: "SuspensionTimeoutError",
      });
      const later = runtime.resume(sequence, "r", 2, { suspension: asked.id });
      await rejection(later, "SUSPENSION_MISMATCH");
      const anew = suspensionOf(await runtime.resume(sequence, "r", "ignored"));
      expect(anew).toMatchObject({ reason: "second", timeoutAt: START + 2 * WAIT_MS });
      expect(anew.id).not.toBe(asked.id);
      expect(await runtime.resume(sequence, "r", 2)).toMatchObject({ output: [1, 2] });
    });
  });
}
