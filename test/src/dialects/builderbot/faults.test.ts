/** `holdfast/builderbot` when the store fails once, and when the runtime drops scopes from memory. */
import { describe, expect, it } from "vitest";
import { createBotState, GlobalState } from "../../../../src/builderbot.ts";
import { createRuntime, memoryStore } from "../../../../src/index.ts";
import {
  faultyStore,
  simulatedClock,
  type FaultCall,
  type FaultKind,
} from "../../../../src/testing.ts";

const quiet = { warn: () => undefined, error: () => undefined };

/** A bot on a store that fails as `choose` says until it is calmed. */
function failing(choose: (call: FaultCall) => FaultKind | undefined) {
  const clock = simulatedClock(1_000_000);
  const inner = memoryStore({ clock });
  const store = faultyStore(inner, { choose });
  const runtime = createRuntime({ store, clock, logger: quiet });
  const bot = createBotState({ runtime, clock, logger: quiet, globalState: { open: true } });
  return { clock, store, runtime, bot };
}

const loads = ({ operation }: FaultCall): FaultKind | undefined =>
  operation === "load" ? "fail" : undefined;
const everything = (): FaultKind => "fail";

describe.each([
  ["reading", loads],
  ["everything", everything],
])("a store that fails at first, at %s", (_, choose) => {
  it("breaks no user: the next call works, in the order of the calls", async () => {
    const { store, bot, runtime } = failing(choose);
    const state = bot.state("ann");
    await expect(bot.open("ann")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(state.update({ a: 1 })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(state.getMyState()).toBeUndefined();
    store.calm();
    const updates = [state.update({ a: 2 }), state.update({ a: 3 }), state.update({ b: 1 })];
    expect(state.getMyState()).toEqual({ a: 3, b: 1 });
    await Promise.all(updates);
    expect((await bot.open("ann")).getMyState()).toEqual({ a: 3, b: 1 });
    await bot.close();
    await runtime.close();
  });

  it("breaks no global state: the initial values are stored by the next call", async () => {
    const { store, bot, runtime } = failing(choose);
    await expect(bot.ready()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    store.calm();
    const update = bot.globalState.update({ n: 1 });
    expect(bot.globalState.getMyState()).toEqual({ open: true, n: 1 });
    await Promise.all([update, bot.ready()]);
    const record = await runtime.open("builderbot.global", "global");
    expect(record.state).toEqual({ open: true, n: 1 });
    await bot.close();
    await runtime.close();
  });

  it("breaks no idle record: the next deadline is stored, and found after a restart", async () => {
    const { store, bot, runtime, clock } = failing(choose);
    const request = { from: "ann", inRef: "first", timeInSeconds: 60 };
    bot.idle.setIdleTime(request);
    await expect(bot.idle.open("ann")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    store.calm();
    bot.idle.setIdleTime({ ...request, inRef: "second" });
    bot.idle.setIdleTime({ ...request, inRef: "third" });
    await bot.close();
    const reports: unknown[] = [];
    const onIdle = (report: object): void => void reports.push(report);
    const next = createBotState({ runtime, clock, logger: quiet, onIdle });
    await next.open("ann");
    await clock.advance(61_000);
    const [second, third] = ["second", "third"].map((inRef) => ({ from: "ann", inRef }));
    expect(reports).toEqual([second, third]);
    await next.close();
    await runtime.close();
  });
});

it("refuses initial values that cannot be stored, once and for all", async () => {
  const warned: string[] = [];
  const logger = { ...quiet, warn: (message: string) => void warned.push(message) };
  const global = new GlobalState({ bad: () => 1 }, { logger });
  for (let times = 0; times < 3; times += 1) {
    await expect(global.ready()).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
    expect(global.getMyState()()).toEqual({});
  }
  expect(warned).toHaveLength(1);
});

describe("a runtime that holds few scopes", () => {
  const LIMIT = 20;
  const start = () => {
    const runtime = createRuntime({ store: memoryStore(), maxResidentScopes: LIMIT });
    return { runtime, bot: createBotState({ runtime, logger: quiet }) };
  };

  it("is pinned by no user: views are forgotten, what is stored comes back", async () => {
    const { runtime, bot } = start();
    const held = await bot.open("held");
    await held.update({ n: -1 });
    for (let n = 0; n < 20 * LIMIT; n += 1) {
      await bot.state(`u${n}`).update({ n });
      bot.idle.setIdleTime({ from: `u${n}`, inRef: "a", timeInSeconds: 3_600 });
      bot.idle.stop({ from: `u${n}` });
    }
    await expect.poll(() => runtime.residentScopes).toBeLessThanOrEqual(2 * LIMIT);
    const inMemory = Array.from({ length: 20 * LIMIT }, (_, n) => bot.state(`u${n}`).get("n"));
    expect(inMemory.filter((n) => n !== undefined).length).toBeLessThanOrEqual(3 * LIMIT);
    expect(held.get("n")).toBe(-1);
    expect((await bot.open("u0")).getMyState()).toEqual({ n: 0 });
    await bot.state("u1").update({ more: true });
    expect(bot.state("u1").getMyState()).toEqual({ n: 1, more: true });
    await bot.close();
    await runtime.close();
  });

  it("has one record of a user, through views old and new", async () => {
    const { runtime, bot } = start();
    const old = await bot.open("ann");
    await old.update({ n: 0 });
    for (let n = 0; n < 5 * LIMIT; n += 1) await bot.state(`u${n}`).update({ n });
    expect(bot.state("ann").getMyState()).toBeUndefined();
    const update = bot.state("ann").update({ fresh: true });
    expect(old.get("fresh")).toBe(true);
    await update;
    void old.update({ n: 1 });
    expect([old.getMyState(), bot.state("ann").getMyState()]).toEqual(
      Array.from({ length: 2 }, () => ({ n: 1, fresh: true })),
    );
    await bot.close();
    await runtime.close();
  });
});

it("shows by `open` what another runtime stored, and a function sees it too", async () => {
  const store = memoryStore();
  const unheard = { store, watch: false };
  const [mine, theirs] = [createRuntime(unheard), createRuntime(unheard)];
  const [a, b] = [mine, theirs].map((runtime) => createBotState({ runtime, logger: quiet }));
  if (a === undefined || b === undefined) throw new Error("two bots");
  const state = await a.open("ann");
  await (await b.open("ann")).update({ n: 5 });
  expect((await a.open("ann")).get("n")).toBe(5);
  await b.state("ann").update({ n: 6 });
  await state.update(async (current) => {
    await a.open("ann"); // The record is this function's own: nothing to wait for.
    return { n: Number(current["n"]) + 1 };
  });
  expect(state.get("n")).toBe(7);
  await mine.close();
  await theirs.close();
});
