/** Sequencers: api §5 and the invariants of src/runtime/sequencer/steps.ts (Q) and src/runtime/sequencer/run.ts (L). */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createActor, toPromise } from "xstate";
import { z } from "zod";
import { sequencerLogic } from "../../../../src/runtime/sequencer/xstate-logic.ts";
import { systemClock } from "../../../../actors/time/clock.ts";
import {
  createRuntime,
  defineKind,
  defineSequencer,
  memoryStore,
  step,
  type StateStore,
} from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { faultyStore } from "../../../../src/testing.ts";
import { testDirectory } from "../../../support/directory.ts";
import { memoryView, runtimeOn } from "../../../support/sequencer.ts";
import { gate } from "../../../support/waiting.ts";

type Log = { log: string[] };

describe("a run", () => {
  it("hands each step the input, the output before it, and the state so far", async () => {
    const seen: unknown[] = [];
    const sequence = defineSequencer<{ n: number }>({
      name: "s",
      state: { n: 1 },
      steps: ["a", "b", "c"].map((name) =>
        step<{ n: number }>(name, async (ctx) => {
          const { runId, stepIndex, stepName, input, previous, state } = ctx;
          seen.push({ runId, stepIndex, stepName, input, previous, n: state.n });
          await ctx.incState({ n: 1 });
          return name.toUpperCase();
        }),
      ),
    });
    const runtime = createRuntime();
    const outcome = await runtime.run(sequence, { runId: "r", input: { q: 1 } }).result;
    expect(outcome).toEqual({ status: "completed", output: "C", state: { n: 4 } });
    const common = { runId: "r", input: { q: 1 } };
    expect(seen).toEqual([
      { ...common, stepIndex: 0, stepName: "a", previous: undefined, n: 1 },
      { ...common, stepIndex: 1, stepName: "b", previous: "A", n: 2 },
      { ...common, stepIndex: 2, stepName: "c", previous: "B", n: 3 },
    ]);
    await runtime.close();
  });

  it("is read from the store before it begins, unless its id is new", async () => {
    const store = memoryStore();
    const loads: (readonly string[])[] = [];
    const load: StateStore["load"] = (keys) => {
      loads.push(keys);
      return store.load(keys);
    };
    const runtime = runtimeOn({ ...memoryView(store), load });
    const sequence = defineSequencer({ name: "s", steps: [step("a", () => 1)] });
    await runtime.run(sequence).result;
    expect(loads).toEqual([]);
    await runtime.run(sequence, { runId: "r" }).result;
    expect(loads).toEqual([["holdfast/sequencer/r"]]);
    await runtime.close();
  });

  it("takes its state from a schema's defaults, and refuses what does not fit", async () => {
    const runtime = createRuntime();
    const schema = z.object({ n: z.number().default(5) });
    const good = defineSequencer({ name: "s", state: schema, steps: [step("a", () => 1)] });
    expect(await runtime.run(good).result).toMatchObject({ state: { n: 5 } });
    const bad = defineSequencer<{ n: number }>({
      name: "t",
      state: schema,
      steps: [step<{ n: number }>("a", (ctx) => ctx.patchState({ n: "x" as never }))],
    });
    await expect(runtime.run(bad).result).rejects.toMatchObject({ code: "STATE_INVALID" });
    await runtime.close();
  });

  it("serialises what a step does to its state, and never conflicts", async () => {
    const runtime = createRuntime();
    const sequence = defineSequencer<{ n: number }>({
      name: "s",
      state: { n: 0 },
      steps: [
        step<{ n: number }>("a", async (ctx) => {
          const add = () => ctx.atomicState(async ({ n }) => ({ n: n + 1 }));
          await Promise.all(Array.from({ length: 100 }, add));
        }),
      ],
    });
    expect(await runtime.run(sequence).result).toMatchObject({ state: { n: 100 } });
    await runtime.close();
  });

  it("completes without steps", async () => {
    const runtime = createRuntime();
    const empty = defineSequencer({ name: "s", steps: [] });
    const outcome = await runtime.run(empty, { runId: "r" }).result;
    expect(outcome).toEqual({ status: "completed", output: undefined, state: {} });
    expect(await runtime.checkpoints("r")).toMatchObject([{ status: "completed" }]);
    await runtime.close();
  });

  it("gives a known completed run its stored outcome without running a step again", async () => {
    let runs = 0;
    const sequence = defineSequencer({ name: "s", steps: [step("a", () => ++runs)] });
    const store = memoryStore();
    const runtime = runtimeOn(store);
    await runtime.run(sequence, { runId: "r" }).result;
    expect(await runtime.run(sequence, { runId: "r" }).result).toMatchObject({ output: 1 });
    expect(await runtime.resume(sequence, "r")).toMatchObject({ output: 1 });
    expect(runs).toBe(1);
    await runtime.close();
  });

  it("hands the given scopes to its steps, and opens them again on resume", async () => {
    const path = join(testDirectory("seq-scopes"), "s.db");
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async (ctx) => {
          const times = await ctx.suspend<number>("how often");
          await ctx.session?.incState({ n: times });
          return [ctx.session?.identity, ctx.user?.identity, ctx.org];
        }),
      ],
    });
    const first = runtimeOn(sqliteStore({ path }));
    await first.execute(
      { userId: "ann", sessionId: "s1" },
      (ctx) => first.run(sequence, { runId: "r", scopes: ctx }).result,
    );
    await first.close();
    const second = runtimeOn(sqliteStore({ path }));
    const outcome = await second.resume(sequence, "r", 3);
    const session = { type: "session", id: "s1", userId: "ann" };
    const user = { type: "user", id: "ann", userId: "ann" };
    expect(outcome).toMatchObject({ output: [session, user, undefined] });
    expect((await second.open("session", "s1")).state).toEqual({ n: 3 });
    await second.close();
  });
});

describe("suspend and resume", () => {
  it("answers suspensions in order, each resume one more, on a step that starts again", async () => {
    let starts = 0;
    const sequence = defineSequencer<{ n: number }>({
      name: "s",
      state: { n: 0 },
      steps: [
        step<{ n: number }>("ask", async (ctx) => {
          starts += 1;
          await ctx.incState({ n: 1 });
          const one = await ctx.suspend<string>("first");
          const two = await ctx.suspend<string>("second");
          return [one, two];
        }),
      ],
    });
    const runtime = createRuntime();
    const first = await runtime.run(sequence, { runId: "r" }).result;
    expect(first).toMatchObject({ status: "suspended", suspension: { reason: "first" } });
    const second = await runtime.resume(sequence, "r", "A");
    expect(second).toMatchObject({ status: "suspended", suspension: { reason: "second" } });
    expect(await runtime.resume(sequence, "r", "B")).toEqual({
      status: "completed",
      output: ["A", "B"],
      state: { n: 1 }, // Each start begins with the state of the boundary before the step.
    });
    expect(starts).toBe(3);
    await runtime.close();
  });

  it("runs no catch and no finally of the step for a suspension", async () => {
    const ran: string[] = [];
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async (ctx) => {
          try {
            return await ctx.suspend("wait");
          } catch {
            return ran.push("catch");
          } finally {
            ran.push("finally");
          }
        }),
      ],
    });
    const runtime = createRuntime();
    await runtime.run(sequence, { runId: "r" }).result;
    expect(ran).toEqual([]);
    expect(await runtime.resume(sequence, "r", 7)).toMatchObject({ output: 7 });
    expect(ran).toEqual(["finally"]);
    await runtime.close();
  });

  it("stays suspended when it is started again by its id", async () => {
    const sequence = defineSequencer({ name: "s", steps: [step("a", (ctx) => ctx.suspend("x"))] });
    const runtime = createRuntime();
    const first = await runtime.run(sequence, { runId: "r" }).result;
    expect(await runtime.run(sequence, { runId: "r" }).result).toEqual(first);
    await runtime.close();
  });

  it("refuses an unknown run, another sequencer's run and data that cannot be stored", async () => {
    const one = defineSequencer({ name: "one", steps: [step("a", (ctx) => ctx.suspend("x"))] });
    const two = defineSequencer({ name: "two", steps: [step("a", () => 1)] });
    const runtime = createRuntime();
    await expect(runtime.resume(one, "nobody")).rejects.toThrow(/no run "nobody"/);
    await runtime.run(one, { runId: "r" }).result;
    await expect(runtime.resume(two, "r")).rejects.toThrow(/one of "one"/);
    const refused = { code: "STATE_NOT_SERIALIZABLE" };
    await expect(runtime.resume(one, "r", () => 1)).rejects.toMatchObject(refused);
    expect(await runtime.resume(one, "r", "still there")).toMatchObject({ output: "still there" });
    await runtime.close();
  });
});

describe("a failing step", () => {
  it("rejects with what it threw; resume runs that step again and no finished one", async () => {
    const ran: string[] = [];
    let broken = true;
    const sequence = defineSequencer<Log>({
      name: "s",
      state: { log: [] },
      steps: [
        step<Log>("a", async (ctx) => {
          ran.push("a");
          await ctx.pushState("log", "a");
        }),
        step<Log>("b", async (ctx) => {
          ran.push("b");
          await ctx.pushState("log", "b");
          if (broken) throw new RangeError("broken");
        }),
      ],
    });
    const runtime = createRuntime();
    const run = runtime.run(sequence, { runId: "r" });
    await expect(run.result).rejects.toThrow(new RangeError("broken"));
    expect(await runtime.checkpoints("r")).toMatchObject([
      { status: "failed", stepIndex: 1, state: { log: ["a"] } },
    ]);
    broken = false;
    expect(await runtime.resume(sequence, "r")).toMatchObject({ state: { log: ["a", "b"] } });
    expect(ran).toEqual(["a", "b", "b"]);
    await runtime.close();
  });

  it("is refused when its output or its input cannot be stored", async () => {
    const runtime = createRuntime();
    const refused = { code: "STATE_NOT_SERIALIZABLE" };
    const sequence = defineSequencer({ name: "s", steps: [step("a", () => () => 1)] });
    await expect(runtime.run(sequence).result).rejects.toMatchObject(refused);
    const input = { input: Symbol("x") };
    await expect(runtime.run(sequence, input).result).rejects.toMatchObject(refused);
    await runtime.close();
  });

  it("changes nothing with code that it left behind (Q4)", async () => {
    const later = gate();
    const late: Promise<unknown>[] = [];
    const sequence = defineSequencer<Log>({
      name: "s",
      state: { log: [] },
      steps: [
        step<Log>("a", (ctx) => {
          late.push(later.promise.then(() => ctx.pushState("log", "late")));
          late.push(later.promise.then(() => ctx.runOnce("late", () => 1)));
          throw new Error("gone");
        }),
      ],
    });
    const runtime = createRuntime();
    await expect(runtime.run(sequence, { runId: "r" }).result).rejects.toThrow("gone");
    later.open();
    const ends = await Promise.allSettled(late);
    expect(ends.map((end) => end.status)).toEqual(["rejected", "rejected"]);
    expect(await runtime.checkpoints("r")).toMatchObject([{ state: { log: [] } }]);
    await runtime.close();
  });
});

describe("runOnce", () => {
  it("runs once per key, shares a run under way, and is kept across failures (Q3)", async () => {
    let effects = 0;
    let broken = true;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async (ctx) => {
          const pay = () => ctx.runOnce("pay", async () => ({ paid: ++effects }));
          const receipts = await Promise.all([pay(), pay()]);
          if (broken) throw new Error("after the effect");
          return [...receipts, await pay(), await ctx.runOnce("__proto__", () => "own")];
        }),
      ],
    });
    const runtime = createRuntime();
    await expect(runtime.run(sequence, { runId: "r" }).result).rejects.toThrow("after");
    broken = false;
    const paid = { paid: 1 };
    expect(await runtime.resume(sequence, "r")).toMatchObject({
      output: [paid, paid, paid, "own"],
    });
    expect(effects).toBe(1);
    await runtime.close();
  });

  it("keeps nothing when it throws, and runs again", async () => {
    let tries = 0;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async (ctx) => {
          const work = () => {
            tries += 1;
            if (tries === 1) throw new Error("first");
            return tries;
          };
          await ctx.runOnce("k", work).catch(() => undefined);
          return ctx.runOnce("k", work);
        }),
      ],
    });
    const runtime = createRuntime();
    expect(await runtime.run(sequence).result).toMatchObject({ output: 2 });
    await runtime.close();
  });

  it("runs its function only when every boundary before it is stored", async () => {
    const inner = memoryStore();
    const stored = (): Promise<unknown> =>
      inner.load(["holdfast/sequencer/r"]).then(([record]) => record?.state);
    let found: unknown;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", () => "A"),
        step("b", (ctx) => ctx.runOnce("k", async () => void (found = await stored()))),
      ],
    });
    const runtime = runtimeOn(inner);
    await runtime.run(sequence, { runId: "r" }).result;
    expect(found).toMatchObject({ stepIndex: 1, outputs: ["A"] });
    await runtime.close();
  });
});

describe("checkpoints", () => {
  it("do not hold the next step up, and the result waits for the last one (Q2)", async () => {
    const inner = memoryStore();
    const writes: { open: () => void }[] = [];
    let holding = false;
    const held: StateStore = {
      ...memoryView(inner),
      async commit(batch, options) {
        if (holding) {
          const { promise, open } = gate();
          writes.push({ open });
          await promise;
        }
        return inner.commit(batch, options);
      },
    };
    const started = gate();
    const sequence = defineSequencer({
      name: "s",
      steps: [step("a", () => void (holding = true)), step("b", () => started.open())],
    });
    const runtime = runtimeOn(held);
    let ended = false;
    const run = runtime.run(sequence, { runId: "r" });
    const result = run.result.then((outcome) => {
      ended = true;
      return outcome;
    });
    await started.promise; // Step b runs although the checkpoint of a is not stored.
    await sleep(5);
    expect(ended).toBe(false);
    holding = false;
    for (const write of writes) write.open();
    expect(await result).toMatchObject({ status: "completed" });
    expect(ended).toBe(true);
    await runtime.close();
  });

  it("show the latest first, and earlier ones when the kind keeps them", async () => {
    const kinds = { sequencer: defineKind({ durability: "checkpoint", history: 2 }) };
    const runtime = createRuntime({ kinds });
    const steps = ["a", "b", "c"].map((name) => step(name, () => name));
    await runtime.run(defineSequencer({ name: "s", steps }), { runId: "r" }).result;
    const found = await runtime.checkpoints("r");
    expect(found.map(({ stepIndex, status }) => [stepIndex, status])).toEqual([
      [3, "completed"],
      [2, "running"],
      [1, "running"],
    ]);
    expect(found[0]).toMatchObject({ runId: "r", sequencer: "s", outputs: ["a", "b", "c"] });
    const versions = found.map(({ version }) => version);
    expect(versions).toEqual(versions.toSorted((left, right) => right - left));
    expect(await runtime.checkpoints("nobody")).toEqual([]);
    await runtime.close();
  });

  it("that cannot be stored reject the result with the cause, and are counted", async () => {
    let failing = false;
    const inner = memoryStore();
    const broken: StateStore = {
      ...memoryView(inner),
      commit: (batch, options) =>
        failing ? Promise.reject(new Error("disk is gone")) : inner.commit(batch, options),
    };
    let first = true;
    const fail = () => {
      failing = first;
      first = false;
    };
    const sequence = defineSequencer({
      name: "s",
      steps: [step("a", fail), step("b", () => "B")],
    });
    const runtime = runtimeOn(broken);
    const run = runtime.run(sequence, { runId: "r" });
    const error: unknown = await run.result.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE", cause: { message: "disk is gone" } });
    expect(run.checkpointErrors).toBeGreaterThan(0);
    failing = false;
    expect(await runtime.resume(sequence, "r")).toMatchObject({ output: "B" });
    await runtime.close();
  });

  it("survive a store that fails, loses answers and is slow", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const inner = memoryStore();
      const rates = { fail: 0.1, lost: 0.1, unknown: 0.1, slow: 0.2 };
      const clock = systemClock;
      // Closing a runtime closes its store; here one store outlives several runtimes.
      const close = () => Promise.resolve();
      const faulty = {
        ...memoryView(faultyStore(inner, { rates, seed, clock, slowMs: 1 })),
        close,
      };
      const ran: number[] = [];
      const sequence = defineSequencer<{ n: number }>({
        name: "s",
        state: { n: 0 },
        steps: [0, 1, 2, 3].map((index) =>
          step<{ n: number }>(`${index}`, async (ctx) => {
            ran.push(await ctx.runOnce(`${index}`, () => index));
            await ctx.incState({ n: 1 });
          }),
        ),
      });
      let runtime = runtimeOn(faulty);
      let outcome: unknown;
      let last: unknown;
      for (let tries = 0; tries < 200 && outcome === undefined; tries += 1) {
        const run = runtime.run(sequence, { runId: "r" });
        outcome = await run.result.catch((error: unknown) => void (last = error));
        if (outcome !== undefined || tries % 5 !== 4) continue;
        await runtime.close().catch(() => undefined);
        runtime = runtimeOn(faulty);
      }
      const end = { status: "completed", state: { n: 4 } };
      expect(outcome, `seed ${seed}, last error ${String(last)}`).toMatchObject(end);
      expect(new Set(ran)).toEqual(new Set([0, 1, 2, 3]));
    }
  });
});

describe("declarations", () => {
  it("are refused without names, with a doubled name and with a bad lease", () => {
    const run = () => 1;
    expect(() => step("", run)).toThrow(TypeError);
    expect(() => step("a", 1 as never)).toThrow(TypeError);
    expect(() => defineSequencer({ name: "", steps: [] })).toThrow(TypeError);
    const twice = [step("a", run), step("a", run)];
    expect(() => defineSequencer({ name: "s", steps: twice })).toThrow(/same name/);
    for (const broken of [{ name: "", run }, { run }, { name: "a" }, { name: "a", run: 1 }])
      expect(() => defineSequencer({ name: "s", steps: [broken as never] })).toThrow(TypeError);
    for (const change of [{ version: Number.NaN }, { version: {} }, { onChange: "a" }])
      expect(() => defineSequencer({ name: "s", steps: [], ...(change as object) })).toThrow(
        TypeError,
      );
    const bad = (leaseMs: number) => () => defineSequencer({ name: "s", steps: [], leaseMs });
    expect(bad(Number.NaN)).toThrow(RangeError);
    expect(bad(0)).toThrow(RangeError);
  });
});

describe("as XState actor logic", () => {
  it("is done with the run's outcome, and fails with what a step threw", async () => {
    const runtime = createRuntime();
    const good = defineSequencer({ name: "s", steps: [step("a", () => "A")] });
    const input = { start: () => runtime.run(good) };
    const outcome = await toPromise(createActor(sequencerLogic, { input }).start());
    expect(outcome).toMatchObject({ status: "completed", output: "A" });
    const fail = () => {
      throw new Error("no");
    };
    const bad = defineSequencer({ name: "t", steps: [step("a", fail)] });
    const actor = createActor(sequencerLogic, { input: { start: () => runtime.run(bad) } });
    actor.subscribe({ error: () => undefined });
    await expect(toPromise(actor.start())).rejects.toThrow("no");
    await runtime.close();
  });
});
