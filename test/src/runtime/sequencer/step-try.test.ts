/** Misuse of what a try of a step passes to its code (J1, J2 of src/runtime/sequencer/step-try.ts). */
import { expect, it } from "vitest";
import { createRuntime, defineSequencer } from "../../../../src/index.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { settled, turned } from "../../../support/waiting.ts";

it("refuses a suspension inside runOnce, which would wait for its own end", async () => {
  const runtime = createRuntime();
  const asking = defineSequencer({ name: "s" }).step("a", (ctx) =>
    ctx.runOnce("ask", async () => {
      await settled();
      return ctx.suspend("why");
    }),
  );
  const refusal = new TypeError("suspend was called inside runOnce; call it after that");
  await expect(runtime.run(asking).result).rejects.toThrow(refusal);
  await runtime.close();
});

it("stores the value of a runOnce beside a suspension, and does not run it again", async () => {
  const runtime = createRuntime();
  let works = 0;
  const beside = defineSequencer({ name: "s" }).step("a", (ctx) =>
    Promise.all([ctx.runOnce("work", () => (works += 1)), ctx.suspend("why")]),
  );
  await runtime.run(beside, { runId: "r" }).result;
  expect(await runtime.resume(beside, "r", "so")).toMatchObject({ output: [1, "so"] });
  await runtime.close();
});

it("lets the work of a runOnce wait for a run that is suspended", async () => {
  const runtime = createRuntime();
  const inner = defineSequencer({ name: "inner" }).step("a", (ctx) => ctx.suspend("why"));
  const outer = defineSequencer({ name: "outer" }).step("a", (ctx) =>
    ctx.runOnce("start", async () => (await runtime.run(inner, { runId: "i" }).result).status),
  );
  expect(await runtime.run(outer).result).toMatchObject({ output: "suspended" });
  await runtime.close();
});

it("numbers the sleeps of a step without those inside a runOnce (J3)", async () => {
  const clock = simulatedClock(0);
  const runtime = createRuntime({ clock });
  const sleeping = defineSequencer({ name: "s" }).step(
    "a",
    async (ctx) => {
      await ctx.runOnce("wait", () => ctx.sleep(10));
      if (ctx.attempt === 1) throw new Error("broken");
      const began = clock.now();
      await ctx.sleep(1_000);
      return clock.now() - began;
    },
    { retry: { attempts: 2, baseDelayMs: 0 } },
  );
  const outcome = await turned(clock, runtime.run(sleeping, { runId: "r" }).result, 10);
  expect(outcome).toMatchObject({ status: "completed" });
  const [latest] = await runtime.checkpoints("r");
  expect(latest?.outputs[0]).toBeGreaterThanOrEqual(1_000);
  await runtime.close();
});
