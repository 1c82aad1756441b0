/** Runs from outside: listed, cancelled, recovered (api-2 §7, §10.16; B1, B2 of recovery.ts). */
import { describe, expect, it } from "vitest";
import { defineSequencer, type RunInfo, type Runtime, type StepContext } from "../../src/index.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { thisProcess } from "../../src/stores/shared/process-identity.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { steer, World, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, turned, until } from "../support/waiting.ts";

const START = 1_000_000;

function one(run: (ctx: StepContext) => unknown) {
  return defineSequencer({ name: "one" }).step("a", run);
}

async function infos(runs: AsyncIterable<RunInfo>): Promise<RunInfo[]> {
  const found: RunInfo[] = [];
  for await (const info of runs) found.push(info);
  return found;
}

async function statusOf(runtime: Runtime, runId: string): Promise<string | undefined> {
  return (await infos(runtime.runs())).find((info) => info.runId === runId)?.status;
}

/** Waits, in real time, until a run has that status. */
async function reached(runtime: Runtime, runId: string, status: string): Promise<void> {
  const limit = performance.now() + 20_000;
  while ((await statusOf(runtime, runId)) !== status) {
    expect(performance.now()).toBeLessThan(limit);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

/** Registers what holds of lists of runs and of cancellations. */
export function cancelCases(stores: RuntimeStores & { readonly watched?: boolean }): void {
  describe("the runs of a runtime", () => {
    it("are listed with where they stand, by sequencer and by status", async () => {
      const clock = simulatedClock(START);
      const runtime = new World(stores, clock).runtime();
      const asking = one((ctx) => ctx.suspend("why?"));
      const failing = one(() => Promise.reject(new RangeError("broken")));
      const other = defineSequencer({ name: "other" }).step("b", () => 1);
      await runtime.run(asking, { runId: "r1" }).result;
      await rejection(runtime.run(failing, { runId: "r2" }).result);
      await clock.advance(5);
      await runtime.run(other, { runId: "r3" }).result;
      const times = { createdAt: START, updatedAt: START };
      const later = { createdAt: START + 5, updatedAt: START + 5 };
      const suspension = { id: expect.any(String), reason: "why?" };
      const error = { name: "RangeError", message: "broken", step: "a", attempt: 1 };
      const first = { runId: "r1", sequencer: "one", status: "suspended", step: "a" };
      const second = { runId: "r2", sequencer: "one", status: "failed", step: "a" };
      const third = { runId: "r3", sequencer: "other", status: "completed", step: undefined };
      const all = [
        { ...first, suspension, ...times },
        { ...second, error, ...times },
        { ...third, ...later },
      ];
      expect(await infos(runtime.runs())).toEqual(all);
      expect(await infos(runtime.runs({ sequencer: "other" }))).toEqual(all.slice(2));
      expect(await infos(runtime.runs({ status: "failed" }))).toEqual(all.slice(1, 2));
      expect(await infos(runtime.runs({ sequencer: "one", status: "completed" }))).toEqual([]);
      await expect(infos(runtime.runs({ status: "done" as never }))).rejects.toThrow(RangeError);
      await expect(infos(runtime.runs({ state: 1 } as never))).rejects.toThrow(/no option "state"/);
    });

    it("are more than one page", async () => {
      const runtime = new World(stores).runtime();
      const sequence = one(() => 1);
      const ids = Array.from({ length: 205 }, (_, n) => `r${1_000 + n}`);
      await Promise.all(ids.map((runId) => runtime.run(sequence, { runId }).result));
      expect((await infos(runtime.runs())).map(({ runId }) => runId)).toEqual(ids);
    });
  });

  describe("a cancelled run", () => {
    it("ends here, whether it runs, waits or failed, and is never resumed", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const aborted: unknown[] = [];
      const sequence = one((ctx) => {
        ctx.signal.addEventListener("abort", () => aborted.push(ctx.signal.reason));
        return ctx.runId === "waiting" ? ctx.suspend("?") : new Promise(() => undefined);
      });
      const run = runtime.run(sequence, { runId: "running" });
      const ended = rejection(run.result, "RUN_CANCELLED");
      await runtime.run(sequence, { runId: "waiting" }).result;
      await rejection(
        runtime.run(
          one(() => Promise.reject(new Error())),
          { runId: "failed" },
        ).result,
      );
      for (const runId of ["running", "waiting", "failed"]) {
        expect(await runtime.cancel(runId)).toBe(true);
        expect(await runtime.cancel(runId)).toBe(false);
        await rejection(runtime.resume(sequence, runId), "RUN_CANCELLED");
        await rejection(runtime.run(sequence, { runId }).result, "RUN_CANCELLED");
        expect(await statusOf(world.runtime(), runId)).toBe("cancelled");
      }
      expect((await ended).name).toBe("RunCancelledError");
      expect(aborted).toEqual([expect.objectContaining({ code: "RUN_CANCELLED" })]);
    });

    it("ends in another runtime, also while it sleeps", async () => {
      const clock = simulatedClock(START);
      const [runtime, other] = new World(stores, clock).pair();
      const sequence = one(async (ctx) => {
        await ctx.runOnce("begun", () => 1);
        await ctx.sleep(stores.watched === true ? 3_600_000 : 200);
      });
      const run = runtime.run(sequence, { runId: "r" });
      const ended = rejection(run.result, "RUN_CANCELLED");
      await reached(other, "r", "running");
      expect(await other.cancel("r")).toBe(true);
      await turned(clock, ended, 1);
      await rejection(runtime.resume(sequence, "r"), "RUN_CANCELLED");
    });

    it("must be known, and one that is completed stays so", async () => {
      const runtime = new World(stores).runtime();
      const sequence = one(() => 7);
      await rejection(runtime.cancel("none"), "RUN_NOT_FOUND");
      const error = await rejection(
        runtime.resume(
          one(() => 7),
          "none",
        ),
        "RUN_NOT_FOUND",
      );
      expect(error.message).toBe('there is no run "none"');
      const outcome = await runtime.run(sequence, { runId: "r" }).result;
      expect(await runtime.cancel("r")).toBe(false);
      expect(await runtime.resume(sequence, "r")).toEqual(outcome);
    });
  });
}

/** Registers what holds of recovery. */
export function recoverCases(stores: RuntimeStores & { readonly watched?: boolean }): void {
  describe("recovery", () => {
    it("resumes what was interrupted, now and later, and leaves the rest alone", async () => {
      const world = new World(stores);
      const hung = gate();
      const ran: string[] = [];
      const first = world.runtime();
      const hanging = one(() => hung.promise);
      const cut = rejection(first.run(hanging, { runId: "cut" }).result);
      await first.run(
        one((ctx) => ctx.suspend("?")),
        { runId: "waiting" },
      ).result;
      await rejection(
        first.run(
          one(() => Promise.reject(new Error())),
          { runId: "failed" },
        ).result,
      );
      const changed = defineSequencer({ name: "one" }).step("z", () => hung.promise);
      const moved = rejection(first.run(changed, { runId: "changed" }).result);
      await reached(first, "changed", "running");
      await first.close();
      await Promise.all([cut, moved]);
      const [runtime, second] = world.pair();
      const recovery = runtime.recover([one((ctx) => ran.push(ctx.runId))], { intervalMs: 10 });
      await until(() => ran.includes("cut"));
      const later = rejection(second.run(hanging, { runId: "later" }).result);
      await reached(second, "later", "running");
      await second.close();
      await later;
      await until(() => ran.includes("later"));
      expect(ran).toEqual(["cut", "later"]);
      for (const [runId, status] of [
        ["waiting", "suspended"],
        ["failed", "failed"],
        ["changed", "running"],
      ] as const)
        expect(await statusOf(runtime, runId)).toBe(status);
      recovery.stop();
      recovery.stop();
      const logged = world.logger.lines.filter(({ fields }) => fields?.["runId"] === "changed");
      expect(logged.map(({ message }) => message)).toEqual(
        ["a sequencer run failed unseen", "an interrupted run was not completed"].slice(
          -logged.length,
        ),
      );
    });

    it("starts a step that ends its process no more than `maxStarts` times (B3)", async () => {
      const world = new World(stores);
      const first = world.runtime();
      const hung = gate();
      const cut = rejection(
        first.run(
          one(() => hung.promise),
          { runId: "r" },
        ).result,
      );
      await reached(first, "r", "running");
      await first.close();
      await cut;
      // As a killed process leaves it; this process knows that the runtime is gone.
      const store = world.store();
      const lease = { owner: { ...thisProcess() }, runtime: "gone", until: Date.now(), leaseMs: 1 };
      await writeRun(store, "r", (record) => ({ ...record, lease, starts: 1 }));
      const starts: unknown[] = [];
      const sequence = one(async (ctx) => {
        starts.push((await storedRun(store, "r"))?.["starts"]);
        await ctx.runOnce("k", () => 1);
        starts.push((await storedRun(store, "r"))?.["starts"]);
      });
      const [runtime, other] = [world.runtime(), world.runtime()];
      expect(() => runtime.recover([sequence], { maxStarts: 0 })).toThrow(RangeError);
      const failing = runtime.recover([sequence], { intervalMs: 10, maxStarts: 1 });
      await reached(other, "r", "failed");
      failing.stop();
      expect(starts).toEqual([]);
      const [latest] = await runtime.checkpoints("r");
      expect(latest?.error).toMatchObject({ code: "RUN_ABANDONED", step: "a" });
      await writeRun(store, "r", (record) => ({ ...record, lease, status: "running" }));
      const recovery = world.runtime().recover([sequence], { intervalMs: 10, maxStarts: 3 });
      await reached(other, "r", "completed");
      recovery.stop();
      expect(starts).toEqual([3, 0]);
    });

    it("resumes a sleep and a suspension when their time is over, and costs nothing before", async () => {
      const clock = simulatedClock(START);
      const world = new World(stores, clock);
      const ran: string[] = [];
      const sequence = one(async (ctx) => {
        if (ctx.runId === "asleep") await ctx.sleep(600_000);
        else await ctx.suspend({ reason: "?", timeoutMs: 900_000 }).catch(() => undefined);
        ran.push(ctx.runId);
      });
      const first = world.runtime();
      await first.run(sequence, { runId: "asked" }).result;
      const cut = rejection(first.run(sequence, { runId: "asleep" }).result);
      const other = world.store();
      const limit = performance.now() + 20_000;
      for (let isStored = false; !isStored && performance.now() < limit;) {
        const record = await storedRun(other, "asleep");
        isStored = record !== undefined && record["wakeAt"] !== null;
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
      await first.close();
      await cut;
      const store = steer(world.store());
      let calls = 0;
      const runtime = world.runtime({ store });
      runtime.recover([sequence], { intervalMs: 1_000 });
      await turned(
        clock,
        new Promise((resolve) => {
          setTimeout(resolve, 200);
        }),
        100,
      );
      store.before = () => void (calls += 1);
      await clock.advance(500_000);
      if (stores.watched === true || stores.several !== true) expect(ran).toEqual([]);
      if (stores.watched === true) expect(calls).toBe(0);
      await turned(
        clock,
        until(() => ran.length === 1),
        1_000,
      );
      expect(ran).toEqual(["asleep"]);
      await turned(
        clock,
        until(() => ran.length === 2),
        10_000,
      );
      expect(ran).toEqual(["asleep", "asked"]);
    });

    it("refuses what is no sequencer and a bad interval", () => {
      const runtime = new World(stores).runtime();
      const sequence = one(() => 1);
      const bad = [[5 as never], [{}], [[sequence, sequence]], [[{ name: "x" }]]] as never[][];
      for (const [given] of bad) expect(() => runtime.recover(given as never)).toThrow(TypeError);
      for (const intervalMs of [0, -1, Number.NaN])
        expect(() => runtime.recover([sequence], { intervalMs })).toThrow(RangeError);
      expect(() => runtime.recover([sequence], { every: 1 } as never)).toThrow(/no option "every"/);
    });
  });
}
