/** `IdleState` of `holdfast/builderbot`: the original's meaning without its defects. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { createBotState, IdleState, type IdleEvent } from "../../../../src/builderbot.ts";
import { createRuntime } from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { testDirectory } from "../../../support/directory.ts";

const quiet = { warn: () => undefined, error: () => undefined };

function world(): {
  clock: ReturnType<typeof simulatedClock>;
  idle: IdleState;
  events: IdleEvent[];
  cb: (event: IdleEvent) => void;
} {
  const clock = simulatedClock(1_000_000);
  const events: IdleEvent[] = [];
  const idle = new IdleState({ clock, logger: quiet });
  return { clock, idle, events, cb: (event) => void events.push(event) };
}

it("calls back once, with next: true, after the time and not before", async () => {
  const { clock, idle, events, cb } = world();
  idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 2, cb });
  await clock.advance(1_999);
  expect(events).toEqual([]);
  await clock.advance(201);
  expect(events).toEqual([{ next: true, inRef: "a" }]);
  await clock.advance(60_000);
  expect(events).toHaveLength(1);
  expect(idle.size).toBe(0);
  await idle.close();
});

it("fires zero and negative times at the next tick, and refuses NaN", async () => {
  const { clock, idle, events, cb } = world();
  idle.setIdleTime({ from: "ann", inRef: 0, timeInSeconds: 0, cb });
  idle.setIdleTime({ from: "ann", inRef: 1, timeInSeconds: -5, cb });
  expect(events).toEqual([]);
  await clock.advance(200);
  expect(events.map(({ inRef }) => inRef)).toEqual([0, 1]);
  const bad = () => idle.setIdleTime({ from: "ann", inRef: 2, timeInSeconds: Number.NaN, cb });
  expect(bad).toThrow(RangeError);
  expect(idle.size).toBe(0);
  await idle.close();
});

it("calls back in the order of the deadlines, also within one tick", async () => {
  const { clock, idle, events, cb } = world();
  for (const [user, timeInSeconds] of [0.09, 0.05, 0.07, 0.05, 0.01].entries())
    idle.setIdleTime({ from: `u${user}`, inRef: user, timeInSeconds, cb });
  await clock.advance(200);
  expect(events.map(({ inRef }) => inRef)).toEqual([4, 1, 3, 2, 0]);
  await idle.close();
});

it("reports deadlines that passed before a restart in their order", async () => {
  const path = join(testDirectory("idle-order"), "bot.db");
  const clock = simulatedClock(1_000_000);
  const reports: unknown[] = [];
  const open = () => {
    const runtime = createRuntime({ store: sqliteStore({ path, clock }), clock });
    const onIdle = ({ inRef }: { inRef: unknown }) => void reports.push(inRef);
    return { runtime, bot: createBotState({ runtime, clock, logger: quiet, onIdle }) };
  };
  const before = open();
  const waits = { ann: [9, 2, 5], bob: [7, 1] };
  for (const [from, times] of Object.entries(waits))
    for (const timeInSeconds of times)
      before.bot.idle.setIdleTime({ from, inRef: timeInSeconds, timeInSeconds });
  await before.bot.close();
  await before.runtime.close();
  await clock.advance(60_000);
  const { bot, runtime } = open();
  await bot.open("ann");
  await bot.open("bob");
  await clock.advance(200);
  expect(reports).toEqual([1, 2, 5, 7, 9]);
  await bot.close();
  await runtime.close();
});

it("stops a user's waits in their order, and only his", async () => {
  const { clock, idle, events, cb } = world();
  idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 1, cb });
  idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 1, cb });
  idle.setIdleTime({ from: "ann", inRef: "b", timeInSeconds: 1, cb });
  idle.setIdleTime({ from: "bob", inRef: "c", timeInSeconds: 1, cb });
  idle.stop({ from: "ann", body: "hi", next: true, inRef: "mine" });
  const notified = { from: "ann", body: "hi", next: false };
  expect(events).toEqual([
    { ...notified, inRef: "a" },
    { ...notified, inRef: "a" },
    { ...notified, inRef: "b" },
  ]);
  idle.stop({ from: "nobody" });
  await clock.advance(5_000);
  expect(events.slice(3)).toEqual([{ next: true, inRef: "c" }]);
  await idle.close();
});

it("get: another wait of that user is pending", async () => {
  const { idle } = world();
  idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 1 });
  expect(idle.get({ from: "ann", inRef: "a" })).toBe(false);
  expect(idle.get({ from: "ann", inRef: "b" })).toBe(true);
  expect(idle.get({ from: "bob", inRef: "a" })).toBe(false);
  await idle.close();
});

it("survives a callback that throws, one that stops again, and one that waits again", async () => {
  const { clock, idle, events, cb } = world();
  const boom = () => {
    throw new Error("boom");
  };
  idle.setIdleTime({ from: "ann", inRef: 1, timeInSeconds: 1, cb: boom });
  const again = (event: IdleEvent) => {
    cb(event);
    idle.stop({ from: "ann" });
    if (events.length < 3) idle.setIdleTime({ from: "ann", inRef: 3, timeInSeconds: 1, cb: again });
  };
  idle.setIdleTime({ from: "ann", inRef: 2, timeInSeconds: 1, cb: again });
  await clock.advance(10_000);
  expect(events).toEqual([
    { next: true, inRef: 2 },
    { next: true, inRef: 3 },
    { next: true, inRef: 3 },
  ]);
  idle.setIdleTime({ from: "bob", inRef: 1, timeInSeconds: 1, cb: boom });
  idle.setIdleTime({ from: "bob", inRef: 2, timeInSeconds: 1, cb });
  idle.stop({ from: "bob" });
  expect(events.at(-1)).toMatchObject({ next: false, inRef: 2 });
  await idle.close();
});

it("two bots do not share their waits", async () => {
  const one = world();
  const two = world();
  one.idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 1 });
  expect(two.idle.get({ from: "ann", inRef: "b" })).toBe(false);
  await one.idle.close();
  await two.idle.close();
});

it("reports after a restart what was armed before, over at once or later", async () => {
  const path = join(testDirectory("idle"), "bot.db");
  const clock = simulatedClock(1_000_000);
  const open = (onIdle?: (report: object) => void) => {
    const runtime = createRuntime({ store: sqliteStore({ path, clock }), clock });
    const extra = onIdle === undefined ? {} : { onIdle };
    return { runtime, bot: createBotState({ runtime, clock, logger: quiet, ...extra }) };
  };
  const before = open();
  for (const [inRef, timeInSeconds] of [
    ["short", 5],
    ["long", 60],
    ["stopped", 60],
  ] as const)
    before.bot.idle.setIdleTime({
      from: inRef === "stopped" ? "bob" : "ann",
      inRef,
      timeInSeconds,
    });
  before.bot.idle.stop({ from: "bob" });
  await before.bot.close();
  await before.runtime.close();
  await clock.advance(10_000);
  const reports: object[] = [];
  const after = open((report) => void reports.push(report));
  await after.bot.open("ann");
  await after.bot.open("ann");
  await after.bot.open("bob");
  await clock.advance(200);
  expect(reports).toEqual([{ from: "ann", inRef: "short" }]);
  await clock.advance(60_000);
  expect(reports).toEqual([
    { from: "ann", inRef: "short" },
    { from: "ann", inRef: "long" },
  ]);
  await after.bot.close();
  await after.runtime.close();
});

it("carries 50,000 waits on one timer", async () => {
  const { clock, idle } = world();
  let fired = 0;
  const cb = () => void (fired += 1);
  for (let user = 0; user < 50_000; user += 1)
    idle.setIdleTime({ from: `u${user}`, inRef: "a", timeInSeconds: 1 + (user % 30), cb });
  expect(clock.pending).toBe(1);
  await clock.advance(40_000);
  expect(fired).toBe(50_000);
  await idle.close();
});

it("logs a callback that rejects as one that throws", async () => {
  const clock = simulatedClock(1_000_000);
  const logged: string[] = [];
  const logger = { ...quiet, error: (message: string) => void logged.push(message) };
  const path = join(testDirectory("idle-reject"), "bot.db");
  const open = () => createRuntime({ store: sqliteStore({ path, clock }), clock });
  const stray: unknown[] = [];
  const keep = (error: unknown): void => void stray.push(error);
  process.on("unhandledRejection", keep);
  const reject = (): Promise<never> => Promise.reject(new Error("mine"));
  const first = open();
  const bot = createBotState({ runtime: first, clock, logger, onIdle: reject });
  bot.idle.setIdleTime({ from: "ann", inRef: "late", timeInSeconds: 5, cb: reject });
  bot.idle.setIdleTime({ from: "bob", inRef: "stopped", timeInSeconds: 5, cb: reject });
  bot.idle.setIdleTime({ from: "eve", inRef: "stored", timeInSeconds: 60 });
  bot.idle.stop({ from: "bob" });
  await clock.advance(6_000);
  await bot.close();
  await first.close();
  const second = open();
  const next = createBotState({ runtime: second, clock, logger, onIdle: reject });
  await next.open("eve");
  await clock.advance(61_000);
  await next.close();
  await second.close();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", keep);
  expect(stray).toEqual([]);
  expect(logged).toEqual(Array.from({ length: 3 }, () => "an idle callback threw"));
});
