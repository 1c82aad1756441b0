/** What `holdfast/builderbot` promises, on any runtime. */
import { describe, expect, it } from "vitest";
import {
  createBotState,
  SingleState,
  GlobalState,
  type BotRecord,
  type BotState,
} from "../../../../src/builderbot.ts";
import type { Runtime } from "../../../../src/index.ts";

class Cart {
  items = 1;
}

/** A runtime for one test; `again` opens the same data anew, when it is kept. */
export interface BotWorld {
  readonly name: string;
  readonly durable: boolean;
  readonly create: () => { runtime: Runtime; again: () => Promise<Runtime> };
}

/** Bytes at every kind of place in a state. */
function bytesOf(pic: Buffer): BotRecord {
  const map = new Map([["pic", pic]]);
  return { pic, list: [{ pic, plain: new Uint8Array(pic) }], map, set: new Set([pic]) };
}

/** Buffers stand at all of those places. */
function expectBytes(state: unknown): void {
  const { pic, list, map, set } = Object(state);
  const found = [pic, list[0].pic, list[0].plain, map.get("pic"), ...set];
  expect(found.map((each) => Buffer.isBuffer(each) && each.toString())).toEqual(
    Array.from({ length: 5 }, () => "tea"),
  );
}

/** The methods of an object that need `this`: those its class shares. */
function boundMethods(made: object): string[] {
  const shared = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(made));
  return Object.entries(shared)
    .filter(([name, { value }]) => typeof value === "function" && name !== "constructor")
    .map(([name]) => name);
}

const quiet = { warn: () => undefined, error: () => undefined };

/** Registers the suite for one kind of runtime. */
export function describeBotState({ name, durable, create }: BotWorld): void {
  const world = async (
    test: (bot: BotState, runtime: Runtime, again: () => Promise<Runtime>) => Promise<void>,
    options: object = {},
  ): Promise<void> => {
    const { runtime, again } = create();
    let last = runtime;
    const bot = createBotState({ runtime, logger: quiet, ...options });
    try {
      await test(bot, runtime, async () => {
        last = await again();
        return last;
      });
    } finally {
      await bot.close();
      await last.close();
    }
  };

  describe(`state on ${name}`, () => {
    it("shows an update before the call returns, and merges one level deep", () =>
      world(async (bot) => {
        const state = await bot.open("ann");
        expect(state.getMyState()).toBeUndefined();
        const done = state.update({ name: "Ann", cart: { tea: 1 } });
        expect(state.getMyState()).toEqual({ name: "Ann", cart: { tea: 1 } });
        await done;
        await state.update({ cart: { milk: 2 } });
        expect(state.getMyState()).toEqual({ name: "Ann", cart: { milk: 2 } });
        expect(bot.state("bob").getMyState()).toBeUndefined();
      }));

    it("shows an update of a user that was never opened at once, too", () =>
      world(async (bot) => {
        const state = bot.state("ann");
        const first = state.update({ a: 1 });
        const second = state.update({ a: 2, b: undefined });
        expect(state.getMyState()).toEqual({ a: 2, b: undefined });
        await Promise.all([first, second]);
        expect(state.getMyState()).toEqual({ a: 2, b: undefined });
      }));

    it("loses none of 100 function updates, which get {} at first", () =>
      world(async (bot) => {
        const { update, get } = bot.state("ann");
        const seen: unknown[] = [];
        await update((current) => void seen.push(current));
        const add = async (current: { n?: number }) => ({ n: (current.n ?? 0) + 1 });
        await Promise.all(Array.from({ length: 100 }, () => update(add)));
        expect(get("n")).toBe(100);
        expect(seen).toEqual([{}]);
      }));

    it("reads paths by own properties, and hands out copies", () =>
      world(async (bot) => {
        const { update, get, getMyState } = bot.state("ann");
        const given = {
          user: { profile: { name: "J" } },
          arr: [{ q: 1 }],
          nul: null,
          zero: 0,
          no: false,
          empty: "",
          name: "J",
          "a.b": 1,
        };
        await update(given);
        given.user.profile.name = "changed";
        const read = (...paths: string[]) => paths.map((path) => get(path));
        expect(read("user.profile.name", "arr.0.q", "arr.length", "name.length")).toEqual([
          "J",
          1,
          1,
          1,
        ]);
        expect(read("nul", "zero", "no", "empty")).toEqual([null, 0, false, ""]);
        const missing = [
          "nul.x",
          "",
          "name.",
          "user..x",
          "a.b",
          "constructor",
          "__proto__",
          "name.at",
        ];
        expect(read(...missing)).toEqual(missing.map(() => undefined));
        expect(get()).toEqual(getMyState());
        (get("user") as { profile: { name: string } }).profile.name = "mine";
        (getMyState() as { name: string }).name = "mine";
        expect(read("user.profile.name", "name")).toEqual(["J", "J"]);
      }));

    it("clears a record: true when there was one", () =>
      world(async (bot) => {
        const { update, clear, getMyState } = bot.state("ann");
        expect(clear()).toBe(false);
        await update({ a: 1 });
        expect(clear()).toBe(true);
        expect(getMyState()).toBeUndefined();
        await update({ b: 1 });
        expect(getMyState()).toEqual({ b: 1 });
      }));

    it("refuses what it cannot keep and changes nothing", () =>
      world(async (bot) => {
        const { update, getMyState } = bot.state("ann");
        await update({ a: 1 });
        await update(null);
        await update(undefined);
        await expect(update("text" as never)).rejects.toMatchObject({ code: "STATE_TYPE" });
        await expect(update(["x"] as never)).rejects.toMatchObject({ code: "STATE_TYPE" });
        const refused = { code: "STATE_NOT_SERIALIZABLE" };
        await expect(update({ f: () => 1 })).rejects.toMatchObject(refused);
        await expect(update({ d: new Cart() })).rejects.toMatchObject(refused);
        await expect(update(() => ({ f: Symbol("x") }))).rejects.toMatchObject(refused);
        await expect(update(() => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
        void update({ f: () => 1 }); // Nobody awaits it: it must not end the process.
        await update(JSON.parse('{"__proto__":{"polluted":1}}'));
        expect(Object.hasOwn(getMyState() ?? {}, "__proto__")).toBe(true);
        expect(({} as { polluted?: number }).polluted).toBeUndefined();
        expect(getMyState()?.["a"]).toBe(1);
      }));

    it("hands bytes out as a Buffer of the caller's own, in function updates too", () =>
      world(async (bot) => {
        const { update, get, getMyState } = bot.state("ann");
        const pic = Buffer.from("tea");
        const saved = update({ ...bytesOf(pic), name: "Ann", at: new Date(5) });
        expectBytes(getMyState());
        await saved;
        pic.fill(0);
        expectBytes(getMyState());
        (get("pic") as Buffer).fill(0);
        (get("at") as Date).setTime(0);
        const seen: BotRecord[] = [];
        await update((current) => {
          seen.push(current);
          return { length: Buffer.byteLength(String(current["pic"])) };
        });
        expectBytes(getMyState());
        expectBytes(seen[0]);
        expect(Object.isFrozen(seen[0]) && Object.isFrozen(seen[0]?.["list"])).toBe(true);
        expect([get("length"), get("at")]).toEqual([3, new Date(5)]);
        await update((current) => void seen.push(current));
        await update({ pic: null, list: null, map: null, set: null });
        const without: BotRecord[] = [];
        await update((current) => void without.push(current));
        expect(without[0]).toEqual(getMyState());
      }));

    it("refuses other typed arrays, whose type would be lost", () =>
      world(async (bot) => {
        const { update, getMyState } = bot.state("ann");
        for (const words of [
          new Float32Array(2),
          new Uint16Array(2),
          new DataView(new ArrayBuffer(8)),
        ])
          await expect(update({ words })).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
        expect(getMyState()).toBeUndefined();
      }));

    it("keeps hostile senders apart", () =>
      world(async (bot) => {
        const senders = [" ", "__proto__", "../x", "*", "%", "a/b", "\u0000", "constructor"];
        await Promise.all(senders.map((from) => bot.state(from).update({ from })));
        expect(senders.map((from) => bot.state(from).get("from"))).toEqual(senders);
      }));
  });

  it(`refuses what names no sender, on ${name}`, () =>
    world(async (bot, runtime) => {
      const users = new SingleState({ runtime, logger: quiet });
      for (const bad of [undefined, null, "", Number.NaN, 7, {}, ["ann"], () => "ann"]) {
        const from = bad as never;
        await expect(bot.open(from)).rejects.toThrow(TypeError);
        await expect(users.open(from)).rejects.toThrow(TypeError);
        await expect(bot.idle.open(from)).rejects.toThrow(TypeError);
        for (const call of [
          () => bot.state(from),
          () => users.view(from),
          () => users.updateState({ from }),
          () => users.getMyState(from),
          () => users.get(from),
          () => users.clear(from),
          () => bot.idle.setIdleTime({ from, inRef: "a", timeInSeconds: 1 }),
          () => bot.idle.get({ from }),
          () => bot.idle.stop({ from }),
        ])
          expect(call).toThrow(TypeError);
      }
      expect((await runtime.list({ type: "builderbot.user" })).ids).toEqual([]);
    }));

  it(`gives methods that work unbound, on ${name}`, () =>
    world(async (bot, runtime) => {
      const { state, open, ready, globalState, idle } = bot;
      const { update, get, getMyState, clear } = state("ann");
      const opened = await open("ann");
      await [{ a: 1 }, { b: 2 }].reduce((done, fields) => done.then(() => update(fields)), ready());
      expect(["a", "b"].map(get)).toEqual([1, 2]);
      expect([getMyState, opened.getMyState].map((read) => read())).toEqual(
        [1, 2].map(() => ({ a: 1, b: 2 })),
      );
      const { update: setAll, get: getOfAll, getAllState: all, clear: clearAll } = globalState;
      await setAll({ n: 1 });
      expect([getOfAll("n"), ...all()]).toEqual([1, { n: 1 }]);
      clearAll();
      const { setIdleTime, get: waits, stop, open: openIdle } = idle;
      await openIdle("ann");
      setIdleTime({ from: "ann", inRef: 1, timeInSeconds: 60 });
      expect(waits({ from: "ann", inRef: 2 })).toBe(true);
      ["ann"].map((from) => ({ from })).forEach(stop);
      expect([idle.size, clear()]).toEqual([0, true]);
      for (const made of [new SingleState({ runtime }), new GlobalState({}, { runtime }), idle])
        expect(boundMethods(made)).toEqual([]);
      const {
        updateState,
        getMyState: readOne,
        getAllState,
        ...rest
      } = new SingleState({ runtime });
      await updateState({ from: "bob" })({ c: 3 });
      expect([readOne("bob")(), rest.get("bob")("c")]).toEqual([{ c: 3 }, 3]);
      expect([...getAllState()]).toEqual([{ c: 3 }]);
      expect(rest.clear("bob")()).toBe(true);
      await rest.clearAll();
    }));

  describe(`the original's curried classes on ${name}`, () => {
    it("SingleState", async () => {
      const { runtime } = create();
      const users = new SingleState({ runtime, logger: quiet });
      await users.updateState({ from: "ann" })({ a: 1 });
      await users.updateState({ from: "bob" })({ b: 1 });
      await users.updateState()({ nobody: 1 });
      expect(users.getMyState("ann")()).toEqual({ a: 1 });
      expect(users.get("bob")("b")).toBe(1);
      expect(users.get("eve")("b")).toBeUndefined();
      expect([...users.getAllState()]).toEqual([{ a: 1 }, { b: 1 }, { nobody: 1 }]);
      expect(users.clear("ann")()).toBe(true);
      expect(users.clear("ann")()).toBe(false);
      await users.clearAll();
      expect([...users.getAllState()]).toEqual([]);
      await runtime.close();
    });

    it("GlobalState", async () => {
      const { runtime } = create();
      const initial = { open: true, hours: { from: 9 } };
      const global = new GlobalState(initial, { runtime, logger: quiet });
      expect(global.RAW).toBe(initial);
      expect(global.getMyState()()).toEqual(initial);
      await global.ready();
      initial.hours.from = 10;
      expect(global.get()("hours.from")).toBe(9);
      await global.updateState()({ open: false });
      expect([...global.getAllState()]).toEqual([{ open: false, hours: { from: 9 } }]);
      global.clear()();
      expect(global.get()()).toEqual({});
      const add = (current: { n?: number }) => ({ n: (current.n ?? 0) + 1 });
      await Promise.all(Array.from({ length: 100 }, () => global.updateState()(add)));
      expect(global.getMyState()()).toEqual({ n: 100 });
      await runtime.close();
    });
  });

  it.runIf(durable)(`state is there after a restart on ${name}`, () =>
    world(
      async (bot, runtime, again) => {
        await bot.ready();
        await bot.state("ann").update({ n: 1 });
        await bot.state("bob").update(bytesOf(Buffer.from("tea")));
        await bot.globalState.update({ n: 2 });
        await bot.close();
        await runtime.close();
        const next = createBotState({
          runtime: await again(),
          globalState: { n: 0, initial: true },
          logger: quiet,
        });
        expect((await next.open("ann")).getMyState()).toEqual({ n: 1 });
        expectBytes((await next.open("bob")).getMyState());
        await next.ready();
        expect(next.globalState.getMyState()).toEqual({ initial: true, n: 2 });
        await next.close();
      },
      { globalState: { initial: true } },
    ),
  );
}
