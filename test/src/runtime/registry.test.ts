import { describe, expect, it, vi } from "vitest";
import { createTimerWheel } from "../../../actors/time/timer-wheel.ts";
import { Registry, type Resident } from "../../../src/runtime/registry.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";

class Thing implements Resident {
  resident = false;
  touched = true;
  stopped = false;
  busy = false;
  stops = 0;
  failure: Error | null = null;

  async stop(): Promise<void> {
    this.stopped = true;
    this.stops += 1;
    await Promise.resolve();
    if (this.failure !== null) throw this.failure;
  }
}

function create(maxResident = 4, passivateAfterMs = Infinity) {
  const clock = simulatedClock();
  const system = new Registry<Thing>({
    wheel: createTimerWheel(clock),
    maxResident,
    passivateAfterMs,
    mayPassivate: (thing) => !thing.busy,
    collected: () => undefined,
  });
  const spawn = (key: string) => system.spawn(key, () => Promise.resolve(new Thing()));
  return { clock, system, spawn };
}

describe("a system", () => {
  it("Y1 makes one scope per key, also for those who ask together", async () => {
    const { system } = create();
    let made = 0;
    const make = async (): Promise<Thing> => {
      made += 1;
      await Promise.resolve();
      return new Thing();
    };
    const things = await Promise.all([1, 2, 3].map(() => system.spawn("k", make)));
    expect(new Set(things).size).toBe(1);
    expect(made).toBe(1);
    expect(system.find("k")).toBe(things[0]);
  });

  it("Y1 asks again after a failure, and not for the others' key", async () => {
    const { system, spawn } = create();
    const failing = system.spawn("k", () => Promise.reject(new Error("no")));
    await expect(failing).rejects.toThrow("no");
    expect(system.find("k")).toBeUndefined();
    expect(await spawn("k")).toBeInstanceOf(Thing);
  });

  it("Y1 waits for a stopped scope before it makes the next", async () => {
    const { system, spawn } = create();
    const first = await spawn("k");
    first.failure = new Error("told to whoever stopped it");
    const stopping = first.stop();
    expect(system.find("k")).toBeUndefined();
    const second = await spawn("k");
    await expect(stopping).rejects.toThrow("told");
    expect(second).not.toBe(first);
    system.forget("k", first);
    expect(system.find("k")).toBe(second);
  });

  it("Y2 keeps a busy scope, and lets it go when it rests while there are too many", async () => {
    const { system, spawn } = create(1);
    const busy = await spawn("busy");
    busy.busy = true;
    await spawn("a");
    await spawn("b");
    expect(busy.resident).toBe(true);
    expect(system.residentCount).toBe(1);
    const other = await spawn("other");
    other.busy = true;
    system.hold("other", other);
    expect(system.residentCount).toBe(2);
    other.busy = false;
    system.rested("other");
    expect(system.residents).toEqual([busy]);
  });

  it("Y3 holds the limit at every moment, though all were just used", async () => {
    const { system, spawn } = create(20);
    for (let at = 0; at < 200; at += 1) {
      await spawn(`k${at}`);
      for (const thing of system.residents) thing.touched = true;
      expect(system.residentCount).toBeLessThanOrEqual(20);
    }
  });

  it("Y3 goes on where the last look ended, in place of passing the places that were left", async () => {
    const { system, spawn } = create(100);
    for (let at = 0; at < 100; at += 1) await spawn(`k${at}`);
    const walks = [vi.spyOn(Map.prototype, "entries"), vi.spyOn(Map.prototype, Symbol.iterator)];
    for (let at = 100; at < 1_100; at += 1) await spawn(`k${at}`);
    const begun = walks.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    for (const walk of walks) walk.mockRestore();
    expect(system.residentCount).toBe(100);
    expect(begun).toBeLessThan(200);
  });

  it("gives a passivated scope back as it is while somebody holds it", async () => {
    const { system, spawn } = create();
    const thing = await spawn("k");
    for (let round = 0; round < 3; round += 1) {
      expect(system.passivate("k")).toBe(true);
      expect([thing.resident, system.residentCount]).toEqual([false, 0]);
      expect(await spawn("k")).toBe(thing);
      expect(thing.resident).toBe(true);
    }
    expect(system.passivate("nobody")).toBe(false);
  });

  it("passivates what was dismissed when it comes to rest", async () => {
    const { system, spawn } = create();
    const thing = await spawn("k");
    thing.busy = true;
    system.dismiss("k");
    expect(thing.resident).toBe(true);
    thing.busy = false;
    system.rested("k");
    expect(thing.resident).toBe(false);
    system.hold("k", thing);
    system.rested("k");
    expect(thing.resident).toBe(true);
  });

  it("passivates what was not used for its time", async () => {
    const { clock, system, spawn } = create(4, 1_000);
    const [used, left] = [await spawn("used"), await spawn("left")];
    for (let round = 0; round < 4; round += 1) {
      used.touched = true;
      await clock.advance(1_000);
    }
    expect([used.resident, left.resident]).toEqual([true, false]);
    await system.stop();
  });

  it("Y4 stops every scope once, also passive ones and those still loading", async () => {
    const { system, spawn } = create();
    const [held, passive] = [await spawn("held"), await spawn("passive")];
    system.passivate("passive");
    let arrive: ((thing: Thing) => void) | undefined;
    const late = new Thing();
    const loading = system.spawn(
      "late",
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    );
    const refused = expect(loading).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    const stopping = system.stop();
    expect(system.stop()).toBe(stopping);
    expect([held.stopped, passive.stopped]).toEqual([true, true]);
    arrive?.(late);
    await stopping;
    await refused;
    expect([held.stops, passive.stops, late.stops]).toEqual([1, 1, 1]);
    expect(system.residentCount).toBe(0);
    await expect(spawn("held")).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
  });

  it("Y4 tells the first failure when all are stopped", async () => {
    const { system, spawn } = create();
    const [bad, good] = [await spawn("bad"), await spawn("good")];
    bad.failure = new Error("kept something");
    await expect(system.stop()).rejects.toThrow("kept something");
    expect(good.stopped).toBe(true);
  });
});
