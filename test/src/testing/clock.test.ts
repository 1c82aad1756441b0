import { expect, it } from "vitest";
import { simulatedClock } from "../../../src/testing/clock.ts";

it("runs timers in the order of their times, each at its own time", async () => {
  const clock = simulatedClock(100);
  const events: string[] = [];
  for (const delay of [30, 10, 20, 10])
    clock.setTimeout(() => events.push(`${delay} at ${clock.now()}`), delay);
  await clock.advance(20);
  expect(events).toEqual(["10 at 110", "10 at 110", "20 at 120"]);
  expect([clock.now(), clock.pending]).toEqual([120, 1]);
});

it("lets the work a timer starts go on before the next timer, and runs timers set meanwhile", async () => {
  const clock = simulatedClock();
  const events: string[] = [];
  clock.setTimeout(() => {
    const work = async (): Promise<void> => {
      await Promise.resolve();
      await Promise.resolve();
      events.push("work");
      clock.setTimeout(() => events.push("inner"), 1);
    };
    void work();
  }, 1);
  clock.setTimeout(() => events.push("later"), 5);
  await clock.advance(5);
  expect(events).toEqual(["work", "inner", "later"]);
});

it("forgets a cleared timer and refuses to go back", async () => {
  const clock = simulatedClock();
  const handle = clock.setTimeout(() => expect.unreachable(), 1);
  clock.clearTimeout(handle);
  clock.clearTimeout(undefined);
  await clock.advance(10);
  await expect(clock.advance(-1)).rejects.toThrow(RangeError);
  await expect(clock.advance(Number.NaN)).rejects.toThrow(RangeError);
});

it("sets the time of day, by which no time passes", async () => {
  const clock = simulatedClock(1_000);
  const events: string[] = [];
  clock.setTimeout(() => events.push(`${clock.now()} ${clock.monotonic()}`), 100);
  clock.setTime(50);
  expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([50, 1_000, 1]);
  clock.setTime(9_000);
  await clock.advance(99);
  expect(events).toEqual([]);
  await clock.advance(1);
  expect(events).toEqual(["9100 1100"]);
  expect(() => clock.setTime(Number.NaN)).toThrow(RangeError);
});
