/**
 * Tries, time limits and sleeps of steps, and the input of runs (api-2 §7; Q3, Q4 of
 * src/runtime/sequencer/steps.ts, J1 to J3 of step-try.ts).
 */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineSequencer, step, type JsonObject, type StepContext } from "../../src/index.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import { storedRun } from "../support/sequencer.ts";
import { steer, World, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, turned, until } from "../support/waiting.ts";

const START = 1_000_000;

/** Waits, in real time, until the stored record is as it should be. */
async function recorded(
  record: () => Promise<JsonObject | undefined>,
  isSo: (record: JsonObject) => boolean,
): Promise<void> {
  const limit = performance.now() + 20_000;
  for (let found = await record(); found === undefined || !isSo(found); found = await record()) {
    expect(performance.now()).toBeLessThan(limit);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

function begin(stores: RuntimeStores) {
  const clock = simulatedClock(START);
  const world = new World(stores, clock);
  const store = steer(world.store());
  const runtime = world.runtime({ store });
  const other = world.store();
  return { clock, world, store, runtime, record: () => storedRun(other, "r") };
}

/** A sequencer of one step that sleeps for a time, or until one. */
function sleeping(started: number[], clock: SimulatedClock, times: (number | Date)[]) {
  return defineSequencer({ name: "sleep" }).step("a", async (ctx) => {
    started.push(clock.now());
    const woken: number[] = [];
    for (const time of times) {
      await ctx.sleep(time);
      woken.push(clock.now());
    }
    return woken;
  });
}

/** Registers what holds of retries and time limits. */
export function retryCases(stores: RuntimeStores): void {
  describe("a step that is tried again", () => {
    it("starts from its state at the begin, and keeps its runOnce values", async () => {
      const { clock, runtime, record } = begin(stores);
      const tries: [number, number, number][] = [];
      let effects = 0;
      const sequence = defineSequencer({ name: "s", state: { n: 0 } }).step(
        "a",
        async (ctx) => {
          await ctx.incState({ n: 1 });
          tries.push([ctx.attempt, ctx.state.n, clock.now()]);
          const paid = await ctx.runOnce("pay", () => (effects += 1));
          if (ctx.attempt < 3) throw new Error("flaky");
          return paid;
        },
        { retry: { attempts: 3, baseDelayMs: 100, maxDelayMs: 150 } },
      );
      const run = runtime.run(sequence, { runId: "r" });
      expect(await turned(clock, run.result)).toMatchObject({ output: 1, state: { n: 1 } });
      const [first = 0, second = 0, third = 0] = tries.map(([, , at]) => at);
      expect(tries.map(([attempt, n]) => [attempt, n])).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
      ]);
      expect(second - first).toBeGreaterThanOrEqual(100);
      expect(third - second).toBeGreaterThanOrEqual(150);
      expect(await record()).toMatchObject({ tries: 0, error: null, wakeAt: null });
    });

    it("fails with the error of the last try; a resume gives new tries", async () => {
      const { clock, runtime } = begin(stores);
      let tries = 0;
      const sequence = defineSequencer({ name: "s" }).step(
        "a",
        () => {
          tries += 1;
          throw new RangeError(`try ${tries}`);
        },
        { retry: { attempts: 2, baseDelayMs: 5_000 } },
      );
      const run = runtime.run(sequence, { runId: "r" });
      await expect(turned(clock, run.result)).rejects.toThrow(new RangeError("try 2"));
      expect((await runtime.checkpoints("r"))[0]?.error).toMatchObject({ step: "a", attempt: 2 });
      await expect(turned(clock, runtime.resume(sequence, "r"))).rejects.toThrow("try 4");
      expect((await runtime.checkpoints("r"))[0]?.error).toMatchObject({ step: "a", attempt: 4 });
    });

    it("has no more tries for a restart, and none for a suspension", async () => {
      const { clock, world, runtime, record } = begin(stores);
      let tries = 0;
      const sequence = defineSequencer({ name: "s" }).step(
        "a",
        async (ctx) => {
          await ctx.suspend("go?");
          tries += 1;
          throw new Error(`try ${tries}`);
        },
        { retry: { attempts: 3, baseDelayMs: 60_000, jitter: "full" } },
      );
      await runtime.run(sequence, { runId: "r" }).result;
      const resumed = runtime.resume(sequence, "r", "go").catch((error: unknown) => error);
      await until(() => tries === 1);
      await runtime.close();
      expect(await resumed).toMatchObject({ code: "SCOPE_STOPPED" });
      expect(await record()).toMatchObject({ status: "running", tries: 1 });
      const again = world.runtime().resume(sequence, "r");
      await expect(turned(clock, again)).rejects.toThrow("try 3");
      expect(tries).toBe(3);
    });

    it("waits for the effects that are under way (J2)", async () => {
      const { clock, runtime } = begin(stores);
      const slow = gate();
      let paid = 0;
      const flaky = async (ctx: StepContext): Promise<unknown> => {
        const pay = async () => {
          paid += 1;
          await slow.promise;
          return paid;
        };
        const paying = ctx.runOnce("pay", pay);
        if (ctx.attempt > 1) return paying;
        await ctx.runOnce("look", () => clock.now());
        ctx.signal.addEventListener("abort", () => slow.open());
        throw new Error("flaky");
      };
      const steps = [step("a", flaky, { retry: { attempts: 2, baseDelayMs: 0 } })];
      const sequence = defineSequencer({ name: "s", steps });
      const run = runtime.run(sequence, { runId: "r" });
      expect(await turned(clock, run.result)).toMatchObject({ output: 1 });
      expect(paid).toBe(1);
    });

    it("is out of time, and what its code does later changes nothing", async () => {
      const { clock, runtime, record } = begin(stores);
      const later = gate();
      const late: Promise<unknown>[] = [];
      const aborted: unknown[] = [];
      const sequence = defineSequencer({ name: "s", state: { log: [] as string[] } }).step(
        "a",
        async (ctx) => {
          const name = `try ${ctx.attempt}`;
          await ctx.pushState("log", name);
          if (ctx.attempt > 1) return name;
          ctx.signal.addEventListener("abort", () => aborted.push(ctx.signal.reason));
          late.push(
            later.promise.then(() => ctx.pushState("log", "late")),
            later.promise.then(() => ctx.patchState({ log: ["late"] })),
            later.promise.then(() => ctx.runOnce("late", () => "late")),
            ctx.runOnce("slow", () => later.promise),
          );
          await later.promise;
          return ctx.suspend("late");
        },
        { timeoutMs: 2_000, retry: { attempts: 2, baseDelayMs: 1_000 } },
      );
      const run = runtime.run(sequence, { runId: "r" });
      const outcome = await turned(clock, run.result);
      expect(outcome).toMatchObject({ output: "try 2", state: { log: ["try 2"] } });
      later.open();
      const ends = await Promise.allSettled(late);
      expect(ends.map(({ status }) => status)).toEqual(Array.from(late, () => "rejected"));
      const fields = { code: "STEP_TIMEOUT", name: "StepTimeoutError", step: "a" };
      expect(aborted).toEqual([expect.objectContaining({ ...fields, timeoutMs: 2_000 })]);
      expect(await record()).toMatchObject({ status: "completed", effects: {} });
    });

    it("fails by its time limit when there is no further try", async () => {
      const { clock, runtime } = begin(stores);
      const hanging = step("a", () => new Promise(() => undefined), { timeoutMs: 60_000 });
      const sequence = defineSequencer({ name: "s", steps: [hanging] });
      const run = runtime.run(sequence, { runId: "r" });
      await rejection(turned(clock, run.result), "STEP_TIMEOUT");
      const error = { name: "StepTimeoutError", code: "STEP_TIMEOUT", step: "a", attempt: 1 };
      expect((await runtime.checkpoints("r"))[0]).toMatchObject({ status: "failed", error });
    });
  });
}

/** Registers what holds of sleeps. */
export function sleepCases(stores: RuntimeStores): void {
  describe("a sleep", () => {
    it("keeps the result pending, stores its end, and is over on time", async () => {
      const { clock, runtime, record } = begin(stores);
      const times = [5_000, new Date(START + 3_600_000), new Date(0), 0, -1];
      const sequence = sleeping([], clock, times);
      const run = runtime.run(sequence, { runId: "r" });
      let ended = false;
      void run.result.then(() => (ended = true));
      await recorded(record, ({ sleeps }) => Array.isArray(sleeps) && sleeps.length === 1);
      expect(await record()).toMatchObject({ status: "running", sleeps: [START + 5_000] });
      await clock.advance(4_999);
      expect(ended).toBe(false);
      const outcome = await turned(clock, run.result, 10_000);
      const woken = outcome.status === "completed" ? outcome.output : [];
      expect(woken[0]).toBeGreaterThanOrEqual(START + 5_000);
      expect(woken[1]).toBeGreaterThanOrEqual(START + 3_600_000);
      expect(woken).toHaveLength(times.length);
      expect(await record()).toMatchObject({ sleeps: [], wakeAt: null, lease: null });
    });

    it("goes on after a restart until the time that is stored", async () => {
      const { clock, world, runtime, record } = begin(stores);
      const started: number[] = [];
      const sequence = sleeping(started, clock, [600_000, 1]);
      const run = runtime.run(sequence, { runId: "r" });
      const ended = rejection(run.result, "SCOPE_STOPPED");
      await recorded(record, ({ wakeAt }) => wakeAt !== null);
      await clock.advance(400_000);
      await runtime.close();
      await ended;
      expect(await record()).toMatchObject({ status: "running", wakeAt: START + 600_000 });
      const outcome = await turned(clock, world.runtime().resume(sequence, "r"), 1_000);
      expect(started).toHaveLength(2);
      expect(started[1]).toBeLessThan(START + 600_000);
      const woken = outcome.status === "completed" ? outcome.output : [];
      expect(woken[0]).toBeGreaterThanOrEqual(START + 600_000);
      expect(woken[0]).toBeLessThan(START + 700_000);
    });

    it("writes nothing while it lasts, and the run stays leased", async () => {
      const { clock, world, store, runtime, record } = begin(stores);
      const sequence = sleeping([], clock, [3_600_000]);
      const run = runtime.run(sequence, { runId: "r" });
      await recorded(record, ({ wakeAt }) => wakeAt !== null);
      await until(() => store.writes >= 2); // The lease, then the sleep.
      const { writes } = store;
      await clock.advance(3_000_000);
      expect(store.writes).toBe(writes);
      await rejection(runtime.resume(sequence, "r"), "RUN_LEASED");
      const other = world.runtime();
      if (stores.several === true) await rejection(other.resume(sequence, "r"), "RUN_LEASED");
      await turned(clock, run.result, 60_000);
    });

    it.each([
      ["NaN", Number.NaN, RangeError],
      ["Infinity", Infinity, RangeError],
      ["no date", new Date(Number.NaN), RangeError],
      ["a text", "5", TypeError],
      ["nothing", undefined, TypeError],
    ])("of %s fails the step, whatever its code does", async (_, time, kind) => {
      const { runtime } = begin(stores);
      const sequence = defineSequencer({ name: "s" }).step("a", async (ctx) => {
        await ctx.sleep(time as never).catch(() => undefined);
        return "went on";
      });
      await expect(runtime.run(sequence).result).rejects.toBeInstanceOf(kind);
    });

    it("counts in the time limit of its step", async () => {
      const { clock, runtime } = begin(stores);
      const sequence = defineSequencer({ name: "s" }).step("a", (ctx) => ctx.sleep(60_000), {
        timeoutMs: 30_000,
      });
      const run = runtime.run(sequence);
      await rejection(turned(clock, run.result, 1_000), "STEP_TIMEOUT");
    });
  });
}

/** Registers what holds of the input of runs. */
export function inputCases(stores: RuntimeStores): void {
  describe("the input of a run", () => {
    const input = z.object({ cups: z.number(), milk: z.boolean().default(false) });
    const sequence = defineSequencer({ name: "s", input }).step("a", (ctx) => ctx.input);

    it("is checked, and nothing is stored when it does not fit", async () => {
      const { runtime, record } = begin(stores);
      for (const bad of [{ cups: "two" }, undefined, 5]) {
        const run = runtime.run(sequence, { runId: "r", input: bad as never });
        const error = await rejection(run.result, "STATE_INVALID");
        expect(error.message).toContain("input does not fit its schema");
      }
      expect(await record()).toBeUndefined();
    });

    it("has its defaults, also when it is compared with that of a known run", async () => {
      const { runtime } = begin(stores);
      const whole = { cups: 2, milk: false };
      for (const given of [{ cups: 2 }, whole, undefined]) {
        const run = runtime.run(sequence, { runId: "r", input: given as never });
        expect(await run.result).toMatchObject({ output: whole });
      }
      const other = runtime.run(sequence, { runId: "r", input: { cups: 3 } });
      await expect(other.result).rejects.toThrow(/another input/);
    });
  });
}
