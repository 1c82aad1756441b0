/** What ends by itself: on every place at once by the real clock, and to the millisecond by a told one. */
import { describe, expect, it } from "vitest";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { faultyStore } from "../../../../src/testing/faulty-store.ts";
import { seededRandom } from "../../../../src/testing/random.ts";
import { lasting } from "../../../../src/testing/suite-case.ts";
import { steer } from "../../../suites/runtime-world.ts";
import { gate } from "../../../support/waiting.ts";
import { places } from "./kept.ts";

/** Seconds of a session that is to end. */
const SHORT_S = 2;
const gone = { timeout: 20_000 };

describe.concurrent.each(places())("time on $name", ({ open }) => {
  it("ends sessions, and their keys with them", async ({ expect: expected }) => {
    const { vcr, close } = await open();
    await lasting(SHORT_S * 1_000, async (time, name) => {
      const state = new State(vcr.createSessionWithId(name, { ttl: SHORT_S }));
      await time.holds(async () => {
        await state.set("k", 1);
        await state.set("own", 1, { ttl: 100 });
        expected(await state.ttl("k")).toBe(-1);
        const bad = state.expire("k", 5, "BAD" as never);
        await expected(bad).rejects.toMatchObject({ code: "SYNTAX" });
        await expected(state.expire("k", 1.5)).rejects.toMatchObject({ code: "NOT_INTEGER" });
        expected(await state.expire("k", 100, "NX")).toBe("1");
        await state.listAppend("l", { a: 1 });
        expected(await state.listRemove("l", { a: 1 })).toBe("1");
        await state.mapSet("m", { n: "1" });
        expected(await state.update<number>("u", () => 1)).toBe(1);
        await new State(vcr.createSessionWithId(name, { ttl: 100 })).set("late", 1);
        const keys = await new State(vcr.getSessionById(name)).keys();
        expected(keys).toEqual(["k", "late", "m", "own", "u"]);
      });
      await expected.poll(() => state.keys(), gone).toEqual([]);
      const late = state.set("k", 2);
      await expected(late).rejects.toMatchObject({ code: "SESSION_ENDED", op: "set" });
      expected(await state.get("k")).toBeNull();
      const again = new State(vcr.createSessionWithId(name, { ttl: 100 }));
      await again.set("k", 3);
      expected(await again.get("k")).toBe(3);
    });
    await close();
  });

  it("ends maps, and what a search finds of them", async ({ expect: expected }) => {
    const { vcr, close } = await open();
    await lasting(1_000, async (time, name) => {
      const state = new State(vcr.getSessionById(name));
      await state.createIndex("i", { schema: [{ fieldName: "name", type: "TEXT" }] });
      await state.mapSet("a", { name: "Alice" });
      await state.mapSet("b", { name: "Alice" });
      const found = async () => {
        const { hits } = await state.search("i", "alice");
        return hits.map(({ id }) => id).toSorted();
      };
      time.begin();
      await state.expire("a", 1);
      await time.holds(async () => expected(await found()).toEqual(["a", "b"]));
      await expected.poll(found, gone).toEqual(["b"]);
    });
    await close();
  });
});

describe("time by a clock", () => {
  function setUp() {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    const runtime = createRuntime({ store, clock });
    const vcr = createVcr({ runtime });
    return { clock, runtime, vcr, state: new State(vcr.getSessionById("s")) };
  }

  it("is over at its very end, whether anybody has looked or not", async () => {
    const { clock, runtime, state } = setUp();
    await state.set("k", 1);
    await state.expire("k", 10);
    await clock.advance(9_999);
    expect(await state.get("k")).toBe(1);
    expect(await state.ttl("k")).toBe(0);
    await clock.advance(1);
    expect(await state.get("k")).toBeNull();
    expect(await state.expire("k", 5)).toBe("0");
    await clock.advance(1_000);
    expect(await state.keys()).toEqual([]);
    await runtime.close();
  });

  it("compares ends exactly", async () => {
    const { runtime, state } = setUp();
    await state.set("k", 1);
    await state.expire("k", 200);
    expect(await state.expire("k", 200, "GT")).toBe("0");
    expect(await state.expire("k", 200, "LT")).toBe("0");
    expect(await state.expire("k", 201, "GT")).toBe("1");
    await runtime.close();
  });

  it("starts anew with a key that is written again", async () => {
    const { clock, runtime, state } = setUp();
    await state.set("k", 1, { ttl: 10 });
    await clock.advance(5_000);
    await state.set("k", 2);
    await clock.advance(60_000);
    expect(await state.get("k")).toBe(2);
    await state.mapSet("m", { a: "1" });
    await state.expire("m", 10);
    await clock.advance(10_000);
    await state.mapSet("m", { b: "2" });
    expect(await state.mapGetAll("m")).toEqual({ b: "2" });
    expect(await state.ttl("m")).toBe(-1);
    await runtime.close();
  });

  it("is over for a session whose end was stored only after it", async () => {
    const clock = simulatedClock(1_000_000);
    const store = steer(memoryStore({ clock }));
    const runtime = createRuntime({ store, clock });
    const vcr = createVcr({ runtime });
    const [sent, stored] = [gate(), gate()];
    store.before = (operation) => {
      if (operation !== "commit") return undefined;
      sent.open();
      return stored.promise;
    };
    const state = new State(vcr.createSessionWithId("s", { ttl: 10 }));
    await sent.promise;
    clock.setTime(clock.now() + 10_000);
    stored.open();
    await expect(state.set("k", 1)).rejects.toMatchObject({ code: "SESSION_ENDED" });
    await new State(vcr.createSessionWithId("s", { ttl: 10 })).set("k", 2);
    expect(await new State(vcr.getSessionById("s")).get("k")).toBe(2);
    await runtime.close();
  });

  it("takes a far end for one", async () => {
    const { clock, runtime, state } = setUp();
    await state.set("k", 1);
    expect(await state.expire("k", 9_000_000_000_000_000n)).toBe("1");
    await clock.advance(1_000);
    expect(await state.ttl("k")).toBeGreaterThan(8e15);
    await runtime.close();
  });
});

/** What is stored under a key in turn, each value with when it is over. */
type Told = Map<string, { readonly value: number; readonly end: number }>;

it.each([1, 2, 3, 4, 5, 6])(
  "gives nothing that is over, whatever its store does (%i)",
  async (seed) => {
    const clock = simulatedClock(1_000_000);
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const rates = { fail: 0.2, lost: 0.1, unknown: 0.1, duplicate: 0.1, torn: 0.1 };
    const store = faultyStore(memoryStore({ clock }), { seed, rates });
    const logger = { warn: () => undefined, error: () => undefined };
    const runtime = createRuntime({ store, clock, logger });
    const state = new State(createVcr({ runtime }).getSessionById("s"));
    const notified: Told = new Map();
    for (let step = 1; step <= 300; step += 1) {
      const key = `k${below(3)}`;
      if (below(3) === 0) {
        notified.set(`${key} ${step}`, { value: step, end: clock.now() + 2_000 });
        await state.set(key, step, { ttl: 2 }).catch(() => undefined);
      }
      // Time passes with its timers, or while the machine sleeps.
      if (below(3) === 0) await clock.advance(below(1_500));
      if (below(8) === 0) clock.setTime(clock.now() + below(3_000));
      const found = await state.get<number>(key).catch(() => null);
      if (found === null) continue;
      const known = notified.get(`${key} ${found}`);
      expect(known?.end, `${key} at step ${step}`).toBeGreaterThan(clock.now());
    }
    store.calm();
    clock.setTime(clock.now() + 3_000);
    expect(await Promise.all(["k0", "k1", "k2"].map((key) => state.get(key)))).toEqual([
      null,
      null,
      null,
    ]);
    expect(await state.keys()).toEqual([]);
    await runtime.close();
  },
);
