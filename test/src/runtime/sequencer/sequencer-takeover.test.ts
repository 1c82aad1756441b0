/** A run and its record when others look at it, take it over or are in the way (L1, L2, Q2). */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../../actors/protocol.ts";
import { systemClock } from "../../../../actors/time/clock.ts";
import { defineSequencer, memoryStore, step, type StateStore } from "../../../../src/index.ts";
import { memoryView, runtimeOn } from "../../../support/sequencer.ts";
import { gate } from "../../../support/waiting.ts";

/** Sees every lease as ended, for longer than clocks may differ. */
const ahead: Clock = { ...systemClock, now: () => systemClock.now() + 120_000 };

function slowStore(inner: StateStore, waitMs: () => number): StateStore {
  const view = memoryView(inner);
  return {
    ...view,
    load: (keys) => sleep(waitMs()).then(() => view.load(keys)),
    commit: (writes, options) => sleep(waitMs()).then(() => view.commit(writes, options)),
  };
}

async function leaseIn(store: StateStore): Promise<unknown> {
  const [record] = await store.load(["holdfast/sequencer/r"]);
  return (record?.state as { lease: unknown } | undefined)?.lease;
}

describe("a run whose record others look at", () => {
  it("comes to the same end, with all of it stored", async () => {
    const inner = memoryStore();
    const runtime = runtimeOn(slowStore(inner, () => 5));
    const sequence = defineSequencer<{ n: number }>({
      name: "s",
      state: { n: 0 },
      steps: ["A", "B"].map((name) =>
        step<{ n: number }>(name, async (ctx) => {
          await ctx.incState({ n: 1 });
          return name;
        }),
      ),
    });
    const run = runtime.run(sequence, { runId: "r" });
    const over = new AbortController();
    const looking = (async () => {
      while (!over.signal.aborted) {
        await runtime.checkpoints("r");
        await sleep(1);
      }
    })();
    const outcome = await run.result;
    over.abort();
    await looking;
    expect(outcome).toEqual({ status: "completed", output: "B", state: { n: 2 } });
    const [record] = await inner.load(["holdfast/sequencer/r"]);
    expect(record?.state).toMatchObject({ status: "completed", outputs: ["A", "B"] });
    await runtime.close();
  });

  it("is executed by one of two that resume it", async () => {
    const store = slowStore(memoryStore(), () => 5);
    const runtimes = [runtimeOn(store), runtimeOn(store)];
    const refused = gate();
    let broken = true;
    let runs = 0;
    const sequence = defineSequencer({
      name: "s",
      steps: [
        step("a", async () => {
          if (broken) throw new Error("broken");
          runs += 1;
          await refused.promise;
        }),
      ],
    });
    await expect(runtimes[0]?.run(sequence, { runId: "r" }).result).rejects.toThrow("broken");
    broken = false;
    const looks: Promise<unknown>[] = [];
    const ends = await Promise.allSettled(
      runtimes.map((runtime) => {
        looks.push(runtime.checkpoints("r"));
        const end = runtime.resume(sequence, "r");
        end.catch(() => refused.open());
        looks.push(runtime.checkpoints("r"), runtime.checkpoints("r"));
        return end;
      }),
    );
    await Promise.all(looks);
    expect(ends.map((end) => end.status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(runs).toBe(1);
    await Promise.all(runtimes.map((runtime) => runtime.close()));
  });
});

describe("a run that was taken over", () => {
  it("tells its step, and can write no more even after its record was read again", async () => {
    const store = memoryStore();
    const [one, two] = [runtimeOn(store), runtimeOn(store, { clock: ahead })];
    const aborted = gate<unknown>();
    const first = gate();
    let starts = 0;
    const log: string[] = [];
    const sequence = defineSequencer({
      name: "s",
      leaseMs: 300,
      steps: [
        step("a", async (ctx) => {
          starts += 1;
          if (starts > 1) return "by two";
          ctx.signal.addEventListener("abort", () => aborted.open(ctx.signal.reason));
          await first.promise;
          return "by one";
        }),
        step("b", () => log.push("b")),
      ],
    });
    const run = one.run(sequence, { runId: "r" });
    run.result.catch(() => undefined);
    await expect.poll(() => leaseIn(store)).toMatchObject({ until: expect.any(Number) });
    await two.resume(sequence, "r");
    expect(await one.checkpoints("r")).toHaveLength(1);
    expect(await aborted.promise).toMatchObject({ code: "RUN_LEASED" });
    first.open();
    await expect(run.result).rejects.toMatchObject({ code: "RUN_LEASED" });
    expect(log).toEqual(["b"]);
    expect(await two.checkpoints("r")).toMatchObject([{ outputs: ["by two", 1] }]);
    await Promise.allSettled([one.close(), two.close()]);
  });
});

describe("a lease", () => {
  it("is not renewed any more once the run's end is on its way", async () => {
    const inner = memoryStore();
    let waitMs = 0;
    const runtime = runtimeOn(slowStore(inner, () => waitMs));
    const sequence = defineSequencer({
      name: "s",
      leaseMs: 300,
      steps: [
        step("a", (ctx) => {
          waitMs = 350;
          return ctx.suspend("why");
        }),
      ],
    });
    const outcome = await runtime.run(sequence, { runId: "r" }).result;
    expect(outcome.status).toBe("suspended");
    waitMs = 0;
    await sleep(200);
    expect(await leaseIn(inner)).toBe(null);
    await runtime.close();
  });

  it("is not taken when a scope of the run cannot be opened", async () => {
    const inner = memoryStore();
    let broken = false;
    const view = memoryView(inner);
    const load: StateStore["load"] = (keys) =>
      broken && keys.some((key) => key.includes("/user/"))
        ? Promise.reject(new Error("store is down"))
        : view.load(keys);
    const sequence = defineSequencer({ name: "s", steps: [step("a", (ctx) => ctx.suspend("x"))] });
    const one = runtimeOn({ ...view, close: () => Promise.resolve() });
    const user = await one.open("user", "ann");
    await one.run(sequence, { runId: "r", scopes: { user } }).result;
    const two = runtimeOn({ ...view, load });
    broken = true;
    await expect(two.resume(sequence, "r", 1)).rejects.toThrow("store is down");
    expect(await leaseIn(inner)).toBe(null);
    broken = false;
    const three = runtimeOn({ ...view, close: () => Promise.resolve() });
    expect(await three.resume(sequence, "r", 2)).toMatchObject({ output: 2 });
    await Promise.all([one.close(), three.close(), two.close()]);
  });
});
