/** Vcr when the store fails once, and when it fails while what it holds is over. */
import { describe, expect, it } from "vitest";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { faultyStore, type FaultCall } from "../../../../src/testing/faulty-store.ts";

const logger = { warn: () => undefined, error: () => undefined };
const schema = [{ fieldName: "name", type: "TEXT" }] as const;

/** Data that other programs stored, and a vcr on a store whose faults can be set. */
async function start() {
  const clock = simulatedClock(1_000_000);
  const inner = memoryStore({ clock });
  const fault: { fails: (call: FaultCall) => boolean } = { fails: () => false };
  const choose = (call: FaultCall) => (fault.fails(call) ? ("fail" as const) : undefined);
  const open = () => {
    const runtime = createRuntime({ store: faultyStore(inner, { choose }), clock, logger });
    const vcr = createVcr({ runtime });
    return { runtime, vcr, state: new State(vcr.getSessionById("s")) };
  };
  const { state } = open();
  await state.set("text", 1, { ttl: 10 });
  await state.mapSet("map", { name: "Alice" });
  await state.listAppend("list", "a");
  for (const key of ["map", "list"]) await state.expire(key, 10);
  await state.createIndex("i", { schema: [...schema] });
  return { clock, fault, state, again: open() };
}

const everything = (): boolean => true;

describe("a store that fails at first", () => {
  it.each<[string, (state: State) => Promise<unknown>, unknown]>([
    ["get", (state) => state.get("text"), 1],
    ["set", (state) => state.set("text", 2), "OK"],
    ["increment", (state) => state.increment("text", 1), "2"],
    ["mapGetAll", (state) => state.mapGetAll("map"), { name: "Alice" }],
    ["listGetAll", (state) => state.listRange("list"), ["a"]],
    ["search", async (state) => (await state.search("i", "alice")).total, 1],
    ["dropIndex", (state) => state.dropIndex("i"), true],
    ["update", (state) => state.update<number>("text", (n) => (n ?? 0) + 1), 2],
  ])("breaks nothing for %s: the next call works", async (_, call, answer) => {
    const { fault, again } = await start();
    fault.fails = everything;
    await expect(call(again.state)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    fault.fails = () => false;
    expect(await call(again.state)).toEqual(answer);
    await again.runtime.close();
  });

  it("breaks no session", async () => {
    const { fault, again, clock } = await start();
    fault.fails = everything;
    const state = new State(again.vcr.createSessionWithId("short", { ttl: 5 }));
    await expect(state.set("k", 1)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    fault.fails = () => false;
    await state.set("k", 1);
    clock.setTime(clock.now() + 5_000);
    expect(await state.get("k")).toBeNull();
    await again.runtime.close();
  });

  it("leaves no index without the keys it could not read", async () => {
    const { fault, state, again } = await start();
    await state.dropIndex("i");
    let reads = 0;
    fault.fails = ({ operation, keys }) =>
      operation === "load" && keys.some((key) => key.includes("map")) && (reads += 1) === 1;
    const made = again.state.createIndex("j", { schema: [...schema] });
    await expect(made).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect((await again.state.search("j", "alice")).total).toBe(1);
    await again.runtime.close();
  });
});

describe("what is over", () => {
  it("is given by no call, while the store fails and no timer has run", async () => {
    const { clock, fault, again } = await start();
    const { state } = again;
    expect(await state.get("text")).toBe(1);
    expect((await state.search("i", "alice")).total).toBe(1);
    clock.setTime(clock.now() + 10_000);
    const calls = [
      [() => state.get("text"), null],
      [() => state.ttl("text"), -2],
      [() => state.exists("text"), false],
      [() => state.mapGetAll("map"), {}],
      [() => state.mapGetValue("map", "name"), null],
      [() => state.listRange("list"), []],
      [async () => (await state.search("i", "alice")).total, 0],
    ] as const;
    const commits = ({ operation }: FaultCall): boolean => operation !== "load";
    for (const fails of [commits, everything, () => false]) {
      fault.fails = fails;
      for (const [call, nothing] of calls) {
        const given = await call().catch((error: { code: string }) => error.code);
        expect([nothing, "STORE_UNAVAILABLE"]).toContainEqual(given);
        if (fails !== commits && fails !== everything) expect(given).toEqual(nothing);
      }
    }
    await again.runtime.close();
  });

  it("is built on by no write", async () => {
    const { clock, fault, again } = await start();
    const { state } = again;
    await state.get("text");
    clock.setTime(clock.now() + 10_000);
    fault.fails = ({ operation, number }) => operation === "commit" && number % 2 === 1;
    const persist = async (call: () => Promise<unknown>): Promise<unknown> =>
      call().catch(() => persist(call));
    await persist(() => state.increment("text", 1));
    await persist(() => state.mapSet("map", { other: "b" }));
    await persist(() => state.listAppend("list", "b"));
    fault.fails = () => false;
    expect([await state.get("text"), await state.ttl("text")]).toEqual([1, -1]);
    expect(await state.mapGetAll("map")).toEqual({ other: "b" });
    expect(await state.listRange("list")).toEqual(["b"]);
    await again.runtime.close();
  });
});
