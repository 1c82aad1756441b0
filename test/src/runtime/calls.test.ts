/** Which calls a closing runtime waits for, and which it refuses. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { createRuntime, isHoldfastError } from "holdfast";
import { asCall, Calls } from "../../../src/runtime/calls.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";

const DRAIN = { drainMs: Infinity, scopes: () => [] };
const tick = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void; // Where the flag puts it.

function create(): Calls {
  return new Calls(() => false);
}

describe("calls", () => {
  it("D1: a call made in one that has not ended is let through, at any depth", async () => {
    const [calls, others] = [create(), create()];
    const code = (): Promise<string> =>
      others.run(async () => {
        await tick();
        return calls.run(async () => {
          await tick();
          calls.enter();
          calls.leave();
          return "done";
        });
      });
    const inside = calls.run(code);
    const closing = calls.drain({ ...DRAIN, clock: simulatedClock() });
    expect(calls.refuses).toBe(true);
    expect(() => calls.enter()).toThrow(/closed/);
    await expect(calls.run(code)).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    expect(await inside).toBe("done");
    expect(await closing).toBe(0);
  });

  it("D1: another owner's call lets nothing else in", async () => {
    const [calls, others] = [create(), create()];
    const under = calls.run(tick);
    const closing = calls.drain({ ...DRAIN, clock: simulatedClock() });
    const work = others.run(() => calls.run(tick));
    await expect(work).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    await Promise.all([under, closing]);
  });

  it("D6: a call of steps lets in what it begins, and nothing else", async () => {
    const calls = create();
    const inside = calls.runSteps(async (admit) => {
      await tick();
      expect(() => calls.enter()).toThrow(/closed/);
      const step = admit(() => calls.run(tick));
      expect(calls.refuses).toBe(true);
      await step;
      return admit(() => calls.runSteps(() => Promise.resolve("done")));
    });
    const closing = calls.drain({ ...DRAIN, clock: simulatedClock() });
    await expect(calls.runSteps(tick)).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    expect(await inside).toBe("done");
    expect(await closing).toBe(0);
  });

  it("D6: a step is refused once the time is over", async () => {
    const calls = create();
    const clock = simulatedClock();
    const late = calls.runSteps(async (admit) => {
      await clock.advance(200);
      await tick();
      return admit(() => calls.run(tick));
    });
    late.catch(() => undefined);
    expect(await calls.drain({ clock, drainMs: 100, scopes: () => [] })).toBe(1);
    await expect(late).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
  });

  it("D2: what is left when the time is over is counted, and refused from then on", async () => {
    const calls = create();
    const clock = simulatedClock();
    const late: ((error: unknown) => void)[] = [];
    const notified = new Promise<unknown>((resolve) => void late.push(resolve));
    void calls.run(async () => {
      await tick();
      await clock.advance(200);
      await tick();
      await calls.run(tick).catch((error: unknown) => late[0]?.(error));
      return new Promise(() => undefined);
    });
    expect(await calls.drain({ clock, drainMs: 100, scopes: () => [{ busy: true }] })).toBe(2);
    expect(isHoldfastError(await notified, "RUNTIME_CLOSED")).toBe(true);
  });

  it("D2: waits for the others also when the call it was made in has ended", async () => {
    const calls = create();
    const ends: (() => void)[] = [];
    const other = calls.run(() => new Promise<void>((resolve) => void ends.push(resolve)));
    const drains: Promise<number>[] = [];
    await calls.run(async () => {
      drains.push(calls.drain({ ...DRAIN, clock: simulatedClock() }));
      await tick();
    });
    const first = Promise.race([
      ...drains,
      tick()
        .then(tick)
        .then(() => "waits"),
    ]);
    expect(await first).toBe("waits");
    ends[0]?.();
    await other;
    expect(await Promise.all(drains)).toEqual([0]);
  });

  it.each([0, -1])("D2: waits for nothing in %d ms", async (drainMs) => {
    const calls = create();
    calls.enter();
    expect(await calls.drain({ clock: simulatedClock(), drainMs, scopes: () => [] })).toBe(1);
  });

  it("D3: leaves no timer behind", async () => {
    const clock = simulatedClock();
    const calls = create();
    const work = calls.run(tick);
    await calls.drain({ ...DRAIN, clock });
    await work;
    expect(clock.pending).toBe(0);
  });

  it("D5: a loop that goes on from inside its own calls keeps none of them", async () => {
    const seen: WeakRef<Calls>[] = [];
    const next = (left: number, done: () => void): void => {
      const calls = create();
      seen.push(new WeakRef(calls));
      void calls.run(async () => {
        await tick();
        if (left > 0) next(left - 1, done);
        else done();
      });
    };
    await new Promise<void>((resolve) => next(200, resolve));
    for (let round = 0; round < 5; round += 1) {
      await tick();
      collectGarbage();
    }
    expect(seen.filter((each) => each.deref() !== undefined).length).toBeLessThan(20);
  });

  it("of a runtime of another copy of the library run as they are", async () => {
    expect(await asCall({}, () => Promise.resolve(1))).toBe(1);
    const runtime = createRuntime();
    await runtime.close();
    await expect(asCall(runtime, tick)).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
  });
});
