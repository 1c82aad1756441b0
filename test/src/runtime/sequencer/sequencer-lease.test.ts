/** Who may run a run: leases (L1, L2 of src/runtime/sequencer/run.ts). */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { defineSequencer, memoryStore, step } from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { testDirectory } from "../../../support/directory.ts";
import { runtimeOn, writeRun } from "../../../support/sequencer.ts";
import { gate } from "../../../support/waiting.ts";

type Log = { log: string[] };

describe("leases (L1, L2)", () => {
  const waiting = defineSequencer({
    name: "s",
    leaseMs: 1_000,
    steps: [step("a", (ctx) => new Promise((resolve) => setTimeout(resolve, 5, ctx.runId)))],
  });

  it("let one of two runtimes run; the other is told who does", async () => {
    const path = join(testDirectory("seq-lease"), "s.db");
    const [one, two] = [runtimeOn(sqliteStore({ path })), runtimeOn(sqliteStore({ path }))];
    const open = gate();
    const sequence = defineSequencer({
      name: "s",
      steps: [step("a", () => open.promise), step("b", () => "done")],
    });
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => two.checkpoints("r")).toHaveLength(1);
    await expect(two.resume(sequence, "r")).rejects.toMatchObject({
      code: "RUN_LEASED",
      holder: expect.stringContaining(`process ${process.pid}`),
    });
    await expect(one.resume(sequence, "r")).rejects.toMatchObject({ code: "RUN_LEASED" });
    open.open();
    expect(await run.result).toMatchObject({ output: "done" });
    expect(await two.resume(sequence, "r")).toMatchObject({ output: "done" });
    await Promise.all([one.close(), two.close()]);
  });

  it("let one of many concurrent resumes win", async () => {
    const path = join(testDirectory("seq-race"), "s.db");
    const starter = runtimeOn(sqliteStore({ path }));
    let runs = 0;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async (ctx) => {
          await ctx.suspend("go");
          runs += 1;
          await sleep(20);
        }),
      ],
    });
    await starter.run(sequence, { runId: "r" }).result;
    await starter.close();
    const runtimes = Array.from({ length: 6 }, () => runtimeOn(sqliteStore({ path })));
    const ends = await Promise.allSettled(runtimes.map((each) => each.resume(sequence, "r")));
    const refused = ends.filter((end) => end.status === "rejected");
    expect(refused.map((end) => (end.reason as { code: string }).code)).toEqual(
      refused.map(() => "RUN_LEASED"),
    );
    expect(runs).toBe(1);
    await Promise.all(runtimes.map((each) => each.close()));
  });

  it("end when the time is over, and are renewed while the run lives", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    const one = runtimeOn(store, { clock });
    const two = runtimeOn(store, { clock });
    const open = gate();
    const sequence = defineSequencer({
      name: "s",
      leaseMs: 900,
      steps: [step("a", () => open.promise)],
    });
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => two.checkpoints("r")).toHaveLength(1);
    for (let passed = 0; passed < 5_000; passed += 250) {
      await clock.advance(250);
      await sleep(1);
    }
    await expect(two.resume(sequence, "r")).rejects.toMatchObject({ code: "RUN_LEASED" });
    open.open();
    await run.result;
    await one.close();
  });

  it("are given back when the runtime closes: the run can be resumed at once", async () => {
    const path = join(testDirectory("seq-close"), "s.db");
    const one = runtimeOn(sqliteStore({ path }));
    const aborted = gate<unknown>();
    let hang = true;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", () => "A"),
        step("b", (ctx) => {
          if (!hang) return ctx.previous;
          ctx.signal.addEventListener("abort", () => aborted.open(ctx.signal.reason));
          return new Promise(() => undefined);
        }),
      ],
    });
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => one.checkpoints("r")).toMatchObject([{ stepIndex: 1 }]);
    await one.close();
    await expect(run.result).rejects.toMatchObject({ code: "SCOPE_STOPPED" });
    expect(await aborted.promise).toMatchObject({ code: "SCOPE_STOPPED" });
    hang = false;
    const two = runtimeOn(sqliteStore({ path }));
    expect(await two.resume(sequence, "r")).toMatchObject({ output: "A" });
    await two.close();
    await expect(two.run(waiting).result).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
  });

  it("stop a run that was taken over, with its writes refused", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    const one = runtimeOn(store, { clock });
    const two = runtimeOn(store, { clock });
    const open = gate();
    let first = true;
    const sequence = defineSequencer<Log>({
      name: "s",
      state: { log: [] },
      leaseMs: 1_000,
      steps: [
        step<Log>("a", async (ctx) => {
          const who = first ? "one" : "two";
          first = false;
          if (who === "one") await open.promise;
          await ctx.pushState("log", who);
        }),
      ],
    });
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => two.checkpoints("r")).toHaveLength(1);
    // A process that is stopped does not renew; here its record is given an ended lease instead.
    await writeRun(store, "r", (record) => ({ ...record, lease: null }));
    expect(await two.resume(sequence, "r")).toMatchObject({ state: { log: ["two"] } });
    open.open();
    await expect(run.result).rejects.toMatchObject({ code: "RUN_LEASED" });
    expect(await two.checkpoints("r")).toMatchObject([{ state: { log: ["two"] } }]);
    await Promise.allSettled([one.close(), two.close()]);
  });
});
