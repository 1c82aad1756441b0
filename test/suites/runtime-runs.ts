/**
 * Runs of sequencers over deploys: what is finished stays finished, and nothing is skipped, also
 * under a definition or a release that changed (N1–N3 of src/runtime/sequencer/run-fit.ts, Q5).
 */
import { describe, expect, it } from "vitest";
import { defineSequencer, step, type Sequencer } from "../../src/index.ts";
import type { SequencerOptions } from "../../src/runtime/sequencer/define.ts";
import { storedRun, writeRun } from "../support/sequencer.ts";
import { steer, World, type RuntimeStores } from "./runtime-world.ts";
import { rejection } from "../support/waiting.ts";

type More = Omit<SequencerOptions<Record<string, unknown>>, "name" | "steps">;

/** A sequencer of steps that write their names into `ran`; those called `approve` ask first. */
function steps(ran: string[], names: string, more: More = {}): Sequencer {
  const all = names.split(" ").map((name) =>
    step(name, async (ctx) => {
      const answer = name === "approve" ? await ctx.suspend<string>("approve?") : undefined;
      if (answer === "DECLINED") throw new Error("declined");
      ran.push(`${name} after ${String(ctx.previous)}`);
      return name.toUpperCase();
    }),
  );
  return defineSequencer({ name: "order", steps: all, ...more });
}

const SUSPENDED = "validate reserve approve charge";

/** A run that waits in `approve`, and runtimes that find it. */
async function suspended(stores: RuntimeStores, more: More = {}) {
  const world = new World(stores);
  const ran: string[] = [];
  const before = world.runtime();
  await before.run(steps(ran, SUSPENDED, more), { runId: "r", input: { cups: 2 } }).result;
  await before.close();
  const store = world.store();
  return { world, store, ran, runtime: world.runtime(), record: () => storedRun(store, "r") };
}

/** Registers what holds of definitions, inputs, effects and failures. */
export function runCases(stores: RuntimeStores): void {
  describe("a run under a changed definition", () => {
    it.each([
      ["a finished step is gone", "validate approve charge"],
      ["a finished step has another name", "check reserve approve charge"],
      ["a step was put before the present one", "validate reserve weigh approve charge"],
      ["another step is where it stands", "validate reserve charge approve"],
      ["no step is where it stands", "validate reserve"],
      ["there are no steps", ""],
    ])("is refused and left as it is when %s (N1)", async (_, names) => {
      const { ran, runtime, record } = await suspended(stores);
      const before = await record();
      const changed =
        names === "" ? defineSequencer({ name: "order", steps: [] }) : steps(ran, names);
      const fields = {
        stored: ["validate", "reserve", "approve"],
        defined: names === "" ? [] : names.split(" "),
      };
      for (const data of ["DECLINED", "yes"]) {
        const error = await rejection(runtime.resume(changed, "r", data), "SEQUENCER_CHANGED");
        expect(error).toMatchObject(fields);
      }
      await rejection(runtime.run(changed, { runId: "r" }).result, "SEQUENCER_CHANGED");
      expect(ran).toHaveLength(2);
      expect(await record()).toEqual(before);
      await expect(runtime.resume(steps(ran, SUSPENDED), "r", "DECLINED")).rejects.toThrow(
        "declined",
      );
      expect(ran).toHaveLength(2);
    });

    it("goes on when only later steps changed, and keeps their names", async () => {
      const { ran, runtime, record } = await suspended(stores);
      const next = steps(ran, "validate reserve approve weigh bill");
      expect(await runtime.resume(next, "r", "yes")).toMatchObject({ output: "BILL" });
      expect(ran.slice(2)).toEqual([
        "approve after RESERVE",
        "weigh after APPROVE",
        "bill after WEIGH",
      ]);
      const names = ["validate", "reserve", "approve", "weigh", "bill"];
      expect(await record()).toMatchObject({ steps: names, status: "completed" });
    });

    it("that is completed gives its outcome", async () => {
      const world = new World(stores);
      const ran: string[] = [];
      const runtime = world.runtime();
      const outcome = await runtime.run(steps(ran, "a b"), { runId: "r" }).result;
      expect(await runtime.resume(steps(ran, "c"), "r")).toEqual(outcome);
      expect(await runtime.run(steps(ran, "c"), { runId: "r" }).result).toEqual(outcome);
      expect(ran).toHaveLength(2);
    });

    it("that failed is refused, too", async () => {
      const { ran, runtime } = await suspended(stores);
      await expect(runtime.resume(steps(ran, SUSPENDED), "r", "DECLINED")).rejects.toThrow();
      const changed = runtime.resume(steps(ran, "validate approve charge"), "r");
      await rejection(changed, "SEQUENCER_CHANGED");
      expect(ran).toHaveLength(2);
    });
  });

  describe("onChange", () => {
    it("says where a run goes on, once, and its answer stays with its step", async () => {
      const { ran, runtime, record } = await suspended(stores, { version: 1 });
      const asked: unknown[] = [];
      const onChange: More["onChange"] = (run) => {
        asked.push(run);
        return "approve";
      };
      const next = steps(ran, "validate approve charge", { version: 2, onChange });
      const waiting = await runtime.run(next, { runId: "r" }).result;
      expect(waiting).toMatchObject({ status: "suspended" });
      expect(asked).toEqual([
        {
          runId: "r",
          version: 1,
          stored: ["validate", "reserve", "approve"],
          stepIndex: 2,
          status: "suspended",
          input: { cups: 2 },
          state: {},
          outputs: ["VALIDATE", "RESERVE"],
        },
      ]);
      await expect(runtime.resume(next, "r", "DECLINED")).rejects.toThrow("declined");
      expect(ran).toHaveLength(2);
      const kept = { steps: ["validate", "approve"], definition: 2, stepIndex: 1 };
      expect(await record()).toMatchObject({ ...kept, outputs: ["VALIDATE"] });
      asked.length = 0;
      await expect(runtime.resume(next, "r")).rejects.toThrow("declined");
      expect(asked).toEqual([]);
    });

    it("may name another step: the question that was open is void", async () => {
      const { ran, runtime } = await suspended(stores);
      const next = steps(ran, "validate weigh reserve charge", { onChange: () => "weigh" });
      const outcome = await runtime.run(next, { runId: "r" }).result;
      expect(outcome).toMatchObject({ status: "completed", output: "CHARGE" });
      const since = ["weigh after VALIDATE", "reserve after WEIGH", "charge after RESERVE"];
      expect(ran.slice(2)).toEqual(since);
    });

    it("may pass steps by: they have no output", async () => {
      const { ran, runtime } = await suspended(stores);
      const next = steps(ran, "weigh charge", { onChange: () => "charge" });
      expect(await runtime.resume(next, "r", "lost")).toMatchObject({ output: "CHARGE" });
      expect(ran.slice(2)).toEqual(["charge after undefined"]);
    });

    it.each([
      ["names no step", () => "nope", TypeError],
      ["gives no name", () => undefined as never, TypeError],
      ["gives a promise", (() => Promise.resolve("approve")) as never, TypeError],
      [
        "throws",
        () => {
          throw new RangeError("no idea");
        },
        RangeError,
      ],
    ])("that %s leaves the run as it is", async (_, onChange, cause) => {
      const { ran, runtime, record } = await suspended(stores);
      const before = await record();
      const next = steps(ran, "validate approve", { onChange });
      const error = await rejection(runtime.resume(next, "r", "yes"), "SEQUENCER_CHANGED");
      expect(error.cause).toBeInstanceOf(cause);
      expect(await record()).toEqual(before);
      expect(await runtime.resume(steps(ran, SUSPENDED), "r", "yes")).toMatchObject({
        output: "CHARGE",
      });
    });
  });

  describe("a known run", () => {
    it("is the same with equal input or none, and refuses another", async () => {
      const runtime = new World(stores).runtime();
      const sequence = steps([], "a b");
      const start = (input?: unknown) => runtime.run(sequence, { runId: "r", input }).result;
      const outcome = await start({ cups: 2, of: { tea: 1, milk: [1] } });
      expect(await start({ of: { milk: [1], tea: 1 }, cups: 2 })).toEqual(outcome);
      expect(await start()).toEqual(outcome);
      for (const input of [{ cups: 3 }, null, "", { cups: 2, of: { tea: 1, milk: [] } }]) {
        const other = start(input);
        await expect(other).rejects.toBeInstanceOf(TypeError);
        await expect(other).rejects.toThrow(/run "r".*input/);
      }
    });

    it("cannot be opened as a scope, and is listed", async () => {
      const runtime = new World(stores).runtime();
      await runtime.run(steps([], "a"), { runId: "r" }).result;
      for (const id of ["r", "new"]) {
        const opening = runtime.open("sequencer", id);
        await expect(opening).rejects.toBeInstanceOf(TypeError);
        await expect(opening).rejects.toThrow(/checkpoints\(runId\)/);
      }
      expect((await runtime.list({ type: "sequencer" })).ids).toEqual(["r"]);
    });

    it("is none when an earlier release stored a scope under its id", async () => {
      const world = new World(stores);
      await writeRun(world.store(), "r", () => ({ n: 1 }));
      const runtime = world.runtime();
      const refused = /"r" is no run/;
      await expect(runtime.run(steps([], "a"), { runId: "r" }).result).rejects.toThrow(refused);
      await expect(runtime.resume(steps([], "a"), "r")).rejects.toThrow(refused);
      expect(await storedRun(world.store(), "r")).toEqual({ n: 1 });
    });
  });

  describe("a runOnce key", () => {
    it("belongs to its step (Q5)", async () => {
      const world = new World(stores);
      let broken = true;
      const effects: string[] = [];
      const paying = ["a", "__proto__", "c"].map((name) =>
        step(name, async (ctx) => {
          const paid = await ctx.runOnce("charge", () => effects.push(name));
          if (name === "c" && broken) throw new Error("broken");
          return paid;
        }),
      );
      const sequence = defineSequencer({ name: "pay", steps: paying });
      const runtime = world.runtime();
      await expect(runtime.run(sequence, { runId: "r" }).result).rejects.toThrow("broken");
      await runtime.close();
      broken = false;
      const outcome = await world.runtime().resume(sequence, "r");
      expect(outcome).toMatchObject({ output: 3 });
      expect(effects).toEqual(["a", "__proto__", "c"]);
    });
  });

  describe("a failed run", () => {
    it("keeps why, counts its tries, and forgets it when it gets on", async () => {
      const { ran, runtime, record } = await suspended(stores);
      const fail = step("approve", () => {
        const error = new RangeError("x".repeat(5_000), { cause: "secret" });
        throw Object.assign(error, { code: "E_DECLINED", value: "secret" });
      });
      const same = steps(ran, SUSPENDED).steps.map((each) =>
        each.name === "approve" ? fail : each,
      );
      const failing = defineSequencer({ name: "order", steps: same });
      for (const attempt of [1, 2]) {
        await expect(runtime.resume(failing, "r", "yes")).rejects.toThrow(RangeError);
        const [latest] = await runtime.checkpoints("r");
        const message = "x".repeat(1_000);
        const about = { step: "approve", attempt, code: "E_DECLINED" };
        expect(latest?.error).toEqual({ name: "RangeError", message, ...about });
      }
      expect(JSON.stringify(await record())).not.toContain("secret");
      await runtime.resume(steps(ran, SUSPENDED), "r");
      expect((await runtime.checkpoints("r"))[0]).not.toHaveProperty("error");
    });

    it("is not one whose end could not be stored at once", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const ending = step("a", () => {
        store.before = (operation) => {
          if (operation !== "commit") return;
          store.before = () => undefined;
          throw new Error("down");
        };
      });
      const sequence = defineSequencer({ name: "s", steps: [ending] });
      const run = runtime.run(sequence, { runId: "r" });
      await rejection(run.result, "STORE_UNAVAILABLE");
      expect(await runtime.checkpoints("r")).toMatchObject([{ status: "completed" }]);
    });

    it.each([
      ["a text", "no", { name: "string" }],
      ["nothing", undefined, { name: "undefined" }],
      [
        "an error that cannot be read",
        Object.defineProperty(new Error("x"), "message", {
          get: () => {
            throw new Error("unreadable");
          },
        }),
        { name: "Error" },
      ],
    ])("keeps why when %s was thrown", async (_, thrown, expected) => {
      const runtime = new World(stores).runtime();
      const throwing = step("a", () => Promise.reject(thrown));
      const sequence = defineSequencer({ name: "s", steps: [throwing] });
      await expect(runtime.run(sequence, { runId: "r" }).result).rejects.toBe(thrown);
      const message = "something else than an error";
      const error = { ...expected, message, step: "a", attempt: 1 };
      expect(await runtime.checkpoints("r")).toMatchObject([{ status: "failed", error }]);
    });
  });
}
