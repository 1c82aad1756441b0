/** Misuse of what a try of a step passes to its code (J1, J2 of src/runtime/sequencer/step-try.ts). */
import { expect, it } from "vitest";
import { createRuntime, defineSequencer } from "../../../../src/index.ts";
import { settled } from "../../../support/waiting.ts";

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
