/** What must compile of a sequencer, and what must not. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import {
  createRuntime,
  defineSequencer,
  step,
  type RunHandle,
  type RunOutcome,
  type Sequencer,
} from "../../../../src/index.ts";
import { rejection } from "../../../support/waiting.ts";

const order = defineSequencer({
  name: "order",
  input: z.object({ cups: z.number().default(1) }),
  state: { log: ["begun"] },
})
  .step("weigh", async (ctx) => {
    expectTypeOf(ctx.input).toEqualTypeOf<{ cups: number }>();
    expectTypeOf(ctx.state.log).toExtend<readonly string[]>();
    expectTypeOf(ctx.previous).toEqualTypeOf<undefined>();
    await ctx.pushState("log", "weighed");
    return { grams: ctx.input.cups * 12 };
  })
  .step("brew", (ctx) => {
    expectTypeOf(ctx.previous).toEqualTypeOf<{ grams: number }>();
    return `${ctx.previous.grams} g`;
  });

describe("the types of a sequencer", () => {
  it("follow its declaration, step by step", async () => {
    const runtime = createRuntime();
    const run = runtime.run(order, { runId: "r", input: { cups: 2 } });
    expectTypeOf(run).toEqualTypeOf<RunHandle<string, { log: string[] }>>();
    const outcome = await run.result;
    expectTypeOf(outcome).toEqualTypeOf<RunOutcome<string, { log: string[] }>>();
    expect(outcome).toEqual({
      status: "completed",
      output: "24 g",
      state: { log: ["begun", "weighed"] },
    });
    if (outcome.status === "completed") expectTypeOf(outcome.output).toEqualTypeOf<string>();
    const again = runtime.resume(order, "r");
    expectTypeOf(again).toEqualTypeOf<Promise<RunOutcome<string, { log: string[] }>>>();
    expect(await again).toEqual(outcome);
    await runtime.close();
  });

  it("infer a generic call in the place of the input", async () => {
    const runtime = createRuntime();
    const json = async <T>(text: string): Promise<T> => JSON.parse(text) as T;
    const run = runtime.run(order, { input: await json('{"cups":1}') });
    expect(await run.result).toMatchObject({ output: "12 g" });
    await runtime.close();
  });

  it("refuse what was not declared", async () => {
    const runtime = createRuntime();
    // @ts-expect-error the input has a number of cups
    const bad = runtime.run(order, { input: { cups: "two" } });
    await rejection(bad.result, "STATE_INVALID");
    // @ts-expect-error the schema takes no missing input
    await rejection(runtime.run(order).result, "STATE_INVALID");
    // @ts-expect-error nor here
    await rejection(runtime.run(order, { runId: "r" }).result, "STATE_INVALID");
    const optional = defineSequencer({ name: "o", input: z.string().default("x"), steps: [] });
    await runtime.run(optional).result;
    expect(() =>
      order
        // @ts-expect-error `logs` is no field of the state
        .step("look", (ctx) => ctx.pushState("logs", "x"))
        // @ts-expect-error a boolean has no grams
        .step("more", (ctx) => ctx.previous.grams)
        // @ts-expect-error there is no such option
        .step("last", () => 1, { retries: 3 }),
    ).toThrow(/no option "retries"/);
    await runtime.close();
  });

  it("are those of the steps that are listed, without repeating a generic", async () => {
    const listed = defineSequencer({
      name: "listed",
      input: z.string(),
      state: { n: 0 },
      steps: [
        {
          name: "a",
          retry: { attempts: 2 },
          run: async (ctx) => {
            expectTypeOf(ctx.state).toExtend<{ readonly n: number }>();
            expectTypeOf(ctx.input).toEqualTypeOf<string>();
            await ctx.incState({ n: ctx.input.length });
          },
        },
        {
          name: "b",
          run: (ctx) => {
            expectTypeOf(ctx.previous).toEqualTypeOf<unknown>();
            // @ts-expect-error the state has no field `m`
            return ctx.incState({ m: 1 });
          },
        },
      ],
    });
    const runtime = createRuntime();
    const outcome = await runtime.run(listed, { input: "four" }).result;
    expectTypeOf(outcome).toEqualTypeOf<RunOutcome<unknown, { n: number }>>();
    expect(outcome).toMatchObject({ state: { n: 4, m: 1 } });
    await runtime.close();
  });

  it("take the state from a schema, and free steps with their generic", () => {
    const schema = z.object({ n: z.number().default(5) });
    const typed = defineSequencer({
      name: "typed",
      state: schema,
      steps: [
        { name: "a", run: (ctx) => ctx.state.n + 1 },
        step<{ n: number }>("b", (ctx) => ctx.state.n),
        step("c", () => 1),
      ],
    });
    expectTypeOf(typed).toEqualTypeOf<Sequencer<{ n: number }>>();
    const generic = defineSequencer<{ n: number }>({ name: "generic", state: schema, steps: [] });
    expectTypeOf(generic).toEqualTypeOf<Sequencer<{ n: number }>>();
    const plain = defineSequencer({ name: "plain", steps: [step("a", (ctx) => ctx.state["x"])] });
    expectTypeOf(plain).toEqualTypeOf<Sequencer>();
  });

  it("take the data of a resume from its schema", () => {
    const asking = defineSequencer({ name: "asking" }).step("ask", async (ctx) => {
      const vote = await ctx.suspend({ reason: "vote", schema: z.object({ yes: z.boolean() }) });
      expectTypeOf(vote).toEqualTypeOf<{ yes: boolean }>();
      const named = await ctx.suspend<string>("name?");
      expectTypeOf(named).toEqualTypeOf<string>();
      expectTypeOf(await ctx.suspend({ question: "any?" })).toEqualTypeOf<unknown>();
      // @ts-expect-error there is no such option
      await ctx.suspend({ reason: "x", timeout: 5 });
      return vote.yes;
    });
    expectTypeOf(asking).toEqualTypeOf<Sequencer<Record<string, unknown>, unknown, boolean>>();
    expect(asking.steps.map(({ name }) => name)).toEqual(["ask"]);
  });
});
