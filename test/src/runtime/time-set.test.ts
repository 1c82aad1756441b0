/** Limits count the time that passes, whatever is done to the time of day. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { PersistBridge } from "../../../actors/protocol.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { gate } from "../../support/waiting.ts";

const LIMIT_MS = 10_000;
const HOUR_MS = 3_600_000;

describe.each([HOUR_MS, -HOUR_MS])("the time of day is set by %i ms", (byMs) => {
  const make = (persist?: PersistBridge<{ n: number }>) => {
    const clock = simulatedClock(100 * HOUR_MS);
    const bridge = persist === undefined ? {} : { persist };
    const scope = createScope({ initial: { n: 0 }, clock, mutationTimeoutMs: LIMIT_MS, ...bridge });
    return { clock, scope };
  };

  it("a mutator in its time is not timed out, and waits of others neither", async () => {
    const { clock, scope } = make();
    const held = gate();
    const running = scope.atomicState(async ({ n }) => {
      await held.promise;
      return { n: n + 1 };
    });
    const waiting = scope.incState({ n: 1 });
    await clock.advance(1_000);
    clock.setTime(clock.now() + byMs);
    const other = scope.incState({ n: 1 }); // Its deadline sets the timer, and a look at all.
    await clock.advance(LIMIT_MS - 2_000);
    held.open();
    expect(await Promise.all([running, waiting, other])).toEqual([true, true, true]);
    expect(scope.state).toEqual({ n: 3 });
  });

  it("a mutator that hangs is timed out when its limit has passed", async () => {
    const { clock, scope } = make();
    const ends: string[] = [];
    const hung = scope.atomicState(() => new Promise<never>(() => undefined));
    hung.catch((error: unknown) => ends.push(String(Reflect.get(error as Error, "phase"))));
    const next = scope.incState({ n: 1 }, { timeoutMs: 2 * LIMIT_MS });
    await clock.advance(LIMIT_MS / 2);
    clock.setTime(clock.now() + byMs);
    await clock.advance(LIMIT_MS / 2 - 1);
    expect(ends).toEqual([]);
    await clock.advance(1);
    expect(ends).toEqual(["running"]);
    expect(await next).toBe(true);
  });

  it("a save that hangs is given up when its limit has passed", async () => {
    const save = () => new Promise<never>(() => undefined);
    const { clock, scope } = make({ save, load: async () => undefined });
    const hung = scope.incState({ n: 1 });
    const unknown = expect(hung).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    await clock.advance(LIMIT_MS / 2);
    clock.setTime(clock.now() + byMs);
    await clock.advance(LIMIT_MS / 2);
    await unknown;
    await scope.refresh(); // The mailbox has gone on.
  });

  it("the waits between the attempts of a conflict stay as they are", async () => {
    let attempts = 0;
    const { clock, scope } = make({
      save: async (next, _expected, { version }) => {
        attempts += 1;
        if (attempts === 3) return { ok: true, version };
        return { ok: false, current: { state: { ...next, n: 10 }, version: version + attempts } };
      },
    });
    const changed = scope.incState({ n: 1 });
    await clock.advance(5);
    clock.setTime(clock.now() + byMs);
    await clock.advance(30);
    expect(await changed).toBe(true);
    expect(attempts).toBe(3);
  });
});

it("a limit passes under fake timers that leave `performance` as it is", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const scope = createScope({ initial: { n: 0 }, mutationTimeoutMs: LIMIT_MS });
  const hung = scope.atomicState(() => new Promise<never>(() => undefined));
  const refused = expect(hung).rejects.toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
  await vi.advanceTimersByTimeAsync(LIMIT_MS);
  await refused;
});
