/** Idle deadlines of processes that have ended: reported without an `open`, once, and to whom. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { type BotState, createBotState, IdleState } from "../../../../src/builderbot.ts";
import { createRuntime, memoryStore, type Runtime } from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { faultyStore, simulatedClock } from "../../../../src/testing.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { collect } from "../../../support/collect.ts";
import { testDirectory } from "../../../support/directory.ts";
import { settled } from "../../../support/waiting.ts";

const quiet = { warn: () => undefined, error: () => undefined };
const dir = testDirectory("idle-restart");
let places = 0;

interface Process {
  readonly bot: BotState;
  readonly runtime: Runtime;
  /** `from inRef` of what was reported here. */
  readonly reports: string[];
  /** Closes the bot, then the runtime. */
  readonly end: () => Promise<void>;
}

/** Processes on one database, and the time that passes for all of them. */
function world() {
  const clock = simulatedClock(1_000_000);
  places += 1;
  const path = join(dir, `bot-${places}.db`);
  const process = ({
    hasReports = true,
    store = sqliteStore({ path, clock }),
  }: { readonly hasReports?: boolean; readonly store?: StateStore } = {}): Process => {
    const runtime = createRuntime({ store, clock, logger: quiet });
    const reports: string[] = [];
    const onIdle = ({ from, inRef }: { readonly from: string; readonly inRef: unknown }): void =>
      void reports.push(`${from} ${String(inRef)}`);
    const bot = createBotState({ runtime, clock, logger: quiet, ...(hasReports && { onIdle }) });
    const end = async (): Promise<void> => {
      await bot.close();
      await runtime.close();
    };
    return { bot, runtime, reports, end };
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let step = 0; step < 10; step += 1) {
      await clock.advance(seconds * 100);
      await settled();
    }
  };
  return { clock, pass, process };
}

/** Arms an idle time without a callback. */
function arm({ bot }: Process, from: string, inRef: string, timeInSeconds: number): void {
  bot.idle.setIdleTime({ from, inRef, timeInSeconds });
}

it("reports deadlines that are over and those to come, in their order, once", async () => {
  const { pass, process } = world();
  const before = process();
  arm(before, "ann", "later", 60);
  arm(before, "ann", "second", 6);
  arm(before, "ann", "first", 5);
  arm(before, "bob", "one", 70);
  await before.end();
  await pass(20);
  const after = process();
  await pass(10);
  expect(after.reports).toEqual(["ann first", "ann second"]);
  await pass(60);
  expect(after.reports.slice(2)).toEqual(["ann later", "bob one"]);
  await pass(60);
  expect(after.reports).toHaveLength(4);
  expect(
    await collect(after.runtime.list({ type: "builderbot.idle", states: true })),
  ).toMatchObject([{ state: {} }, { state: {} }]);
  await after.end();
});

it("reports a deadline of another process only when that has ended", async () => {
  const { pass, process } = world();
  const [one, other] = [process(), process()];
  const called: unknown[] = [];
  const cb = (event: object): void => void called.push(event);
  one.bot.idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 5, cb });
  arm(one, "ann", "b", 60);
  await pass(20);
  expect(called).toEqual([{ next: true, inRef: "a" }]);
  await one.end();
  await pass(60);
  expect(called).toHaveLength(1);
  expect([one.reports, other.reports]).toEqual([[], ["ann b"]]);
  await other.end();
});

it("reports no deadline of a user that was active after the restart", async () => {
  const { pass, process } = world();
  const before = process();
  arm(before, "ann", "a", 30);
  await before.end();
  const after = process();
  after.bot.idle.stop({ from: "ann" });
  await pass(60);
  expect(after.reports).toEqual([]);
  await after.end();
});

it("keeps a deadline that the callback of a stop sets", async () => {
  const { pass, process } = world();
  const before = process();
  const { setIdleTime, stop } = before.bot.idle;
  const again = (): void => setIdleTime({ from: "ann", inRef: "again", timeInSeconds: 30 });
  setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 30, cb: again });
  stop({ from: "ann" });
  await before.end();
  const after = process();
  await pass(60);
  expect(after.reports).toEqual(["ann again"]);
  await after.end();
});

it("leaves deadlines to a process that reports", async () => {
  const { pass, process } = world();
  const before = process();
  arm(before, "ann", "a", 5);
  await before.end();
  const silent = process({ hasReports: false });
  await pass(30);
  const after = process();
  await pass(10);
  expect(after.reports).toEqual(["ann a"]);
  await silent.end();
  await after.end();
});

it("keeps deadlines while the runtime has no bot", async () => {
  const { clock, pass, process } = world();
  const { bot, runtime, end } = process();
  bot.idle.setIdleTime({ from: "ann", inRef: "a", timeInSeconds: 5 });
  await bot.close();
  await pass(30);
  const reports: unknown[] = [];
  const onIdle = (report: object): void => void reports.push(report);
  const next = new IdleState({ runtime, clock, logger: quiet, onIdle });
  await pass(120);
  expect(reports).toEqual([{ from: "ann", inRef: "a" }]);
  await next.close();
  await end();
});

it("calls back and reports once while the store cannot be written", async () => {
  const { clock, pass, process } = world();
  const away = { is: false };
  const inner = memoryStore({ clock });
  const store = faultyStore(inner, {
    choose: ({ operation }) => (away.is && operation === "commit" ? "fail" : undefined),
  });
  const first = process({ store });
  const called: unknown[] = [];
  const cb = (event: object): void => void called.push(event);
  first.bot.idle.setIdleTime({ from: "ann", inRef: "called", timeInSeconds: 5, cb });
  await pass(1);
  away.is = true;
  await pass(10);
  expect(called).toHaveLength(1);
  away.is = false;
  await pass(120);
  expect([called.length, first.reports]).toEqual([1, []]);
  expect(
    await collect(first.runtime.list({ type: "builderbot.idle", states: true })),
  ).toMatchObject([{ state: {} }]);
  await first.end();
});

it("sets few timers for many messages, and each deadline is reported", async () => {
  const { clock, pass, process } = world();
  const store = memoryStore({ clock });
  const before = process({ store });
  for (let message = 0; message < 200; message += 1) {
    before.bot.idle.stop({ from: "ann" });
    arm(before, "ann", `m${message}`, 300);
    await pass(1);
  }
  expect(await collect(store.list({ prefix: "%due/" }))).toHaveLength(1);
  const after = process({ store }); // The store is in memory: it ends with its last runtime.
  await before.end();
  await pass(400);
  expect(after.reports).toEqual(["ann m199"]);
  expect(await collect(store.list({ prefix: "%due/" }))).toEqual([]);
  await after.end();
});
