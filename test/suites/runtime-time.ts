/** Time to live, and leaving memory. */
import { describe, expect, it } from "vitest";
import { defineKind, type Durability } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import { add, sameScope, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, settled, until } from "../support/waiting.ts";

const TTL_MS = 10_000;
/** More than a tick of the wheel, so that what is due has been done. */
const TICK_MS = 200;

const DURABILITIES = ["volatile", "checkpoint", "commit"] as const;

function kinds(durability: Durability = "commit") {
  return { mortal: defineKind({ ttlMs: TTL_MS, durability }) };
}

/** Lets time pass, and the real work it set going end. */
async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  await clock.advance(ms);
  for (let round = 0; round < 20; round += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
    await clock.advance(0);
  }
}

/** Claims about `ttlMs`. */
export function timeCases(stores: RuntimeStores): void {
  describe("time to live", () => {
    // Here the store has to take the turned clock's time, too.
    const turned = it.skipIf(stores.ownClock === true);
    const open = (runtime: Runtime) => runtime.open<Counter>("mortal", "m");

    it.each(DURABILITIES)(
      "a %s scope ends with a delete event and its version goes on",
      async (durability) => {
        const clock = simulatedClock(1);
        const world = new World(stores, clock);
        const runtime = world.runtime({ kinds: kinds(durability) });
        const scope = await open(runtime);
        const events: unknown[] = [];
        scope.subscribe(({ operation, version, origin }) =>
          events.push([operation, version, origin]),
        );
        await scope.atomicState(add);
        await scope.flush();
        await pass(clock, TTL_MS - TICK_MS);
        expect([scope.state, scope.version]).toEqual([{ n: 1 }, 1]);
        await pass(clock, TICK_MS * 2);
        await until(() => scope.version === 2);
        expect([scope.state, scope.version]).toEqual([{}, 2]);
        expect(events).toEqual([
          ["atomic", 1, "local"],
          ["delete", 2, "local"],
        ]);
        expect((await runtime.list()).ids).toEqual([]);
        expect(await scope.atomicState(add)).toBe(true);
        expect([scope.state, scope.version]).toEqual([{ n: 1 }, 3]);
        await scope.flush();
        await pass(clock, TTL_MS + TICK_MS);
        await until(() => scope.version === 4);
        expect([scope.state, scope.version]).toEqual([{}, 4]);
        await runtime.close();
        const again = await open(world.runtime({ kinds: kinds(durability) }));
        expect([again.state, again.version]).toEqual([{}, durability === "volatile" ? 0 : 4]);
      },
    );

    it.each(DURABILITIES)("each write starts the time of a %s scope again", async (durability) => {
      const clock = simulatedClock(1);
      const runtime = new World(stores, clock).runtime({ kinds: kinds(durability) });
      const scope = await open(runtime);
      for (let n = 1; n <= 4; n += 1) {
        await scope.atomicState(add);
        await scope.flush();
        await pass(clock, TTL_MS * 0.75);
        expect(scope.version).toBe(n);
      }
      await pass(clock, TTL_MS * 0.25 + TICK_MS);
      await until(() => scope.version === 5);
      expect([scope.state, scope.version]).toEqual([{}, 5]);
    });

    it.each(DURABILITIES)("nothing builds on a %s scope whose time is over", async (durability) => {
      const clock = simulatedClock(1);
      const runtime = new World(stores, clock).runtime({ kinds: kinds(durability) });
      const scope = await open(runtime);
      await scope.setState({ n: 5 });
      await scope.flush();
      await clock.advance(TTL_MS + TICK_MS / 4); // Over, but the wheel has not come round.
      expect(scope.version).toBe(1);
      expect(await Promise.all([scope.atomicState(add), scope.atomicState(add)])).toEqual([
        true,
        true,
      ]);
      expect([scope.state, scope.version]).toEqual([{ n: 2 }, 4]);
      await pass(clock, TTL_MS / 2);
      expect(scope.version).toBe(4);
    });

    turned("ends while no process runs, and only then: reopening counts what is left", async () => {
      const clock = simulatedClock(1);
      const world = new World(stores, clock);
      const first = world.runtime({ kinds: kinds() });
      await (await open(first)).atomicState(add);
      await first.close();
      await pass(clock, TTL_MS / 2);
      const second = world.runtime({ kinds: kinds() });
      const scope = await open(second);
      expect([scope.state, scope.version]).toEqual([{ n: 1 }, 1]);
      await pass(clock, TTL_MS / 2 + TICK_MS);
      await until(() => scope.version === 2);
      expect([scope.state, scope.version]).toEqual([{}, 2]);
      await scope.atomicState(add);
      await second.close();
      await pass(clock, TTL_MS * 2);
      const last = await open(world.runtime({ kinds: kinds() }));
      expect([last.state, last.version]).toEqual([{}, 3]);
      expect(await last.atomicState(add)).toBe(true);
      expect(last.version).toBe(4);
    });

    it("ends while it is passivated, for a handle and for the next opener", async () => {
      const clock = simulatedClock(1);
      const world = new World(stores, clock);
      const runtime = world.runtime({ kinds: kinds(), passivateAfterMs: 1_000 });
      const scope = await open(runtime);
      await scope.atomicState(add);
      await pass(clock, 2_500);
      expect(runtime.residentScopes).toBe(0);
      await pass(clock, TTL_MS);
      await until(() => scope.version === 2);
      expect(scope.state).toEqual({});
      sameScope(await open(runtime), scope);
    });

    turned(
      "does not end what another process wrote meanwhile, and ends it in its own time",
      async () => {
        const clock = simulatedClock(1);
        const world = new World(stores, clock);
        const [first, second] = [
          world.runtime({ kinds: kinds() }),
          world.runtime({ kinds: kinds() }),
        ];
        const [mine, theirs] = [await open(first), await open(second)];
        await mine.atomicState(add);
        await pass(clock, TTL_MS * 0.75);
        await theirs.refresh();
        expect(theirs.state).toEqual({ n: 1 });
        await theirs.atomicState(add);
        await pass(clock, TTL_MS * 0.75);
        expect([theirs.state, theirs.version]).toEqual([{ n: 2 }, 2]);
        expect([mine.state, mine.version]).toEqual([{ n: 2 }, 2]);
        await pass(clock, TTL_MS * 0.5);
        const states = [mine, theirs].map(({ state, version }) => [state, version]);
        await Promise.all([mine.refresh(), theirs.refresh()]);
        expect(states.map(([state]) => state)).toEqual([{}, {}]);
        expect([mine.version, theirs.version]).toEqual([3, 3]);
        expect(await mine.atomicState(add)).toBe(true);
        expect(mine.version).toBe(4);
      },
    );

    it("tries again when the store was down at the end of its time", async () => {
      const clock = simulatedClock(1);
      const world = new World(stores, clock);
      const store = steer(world.store());
      const runtime = world.runtime({ store, kinds: kinds() });
      const scope = await open(runtime);
      await scope.atomicState(add);
      store.before = () => {
        throw new Error("down");
      };
      await pass(clock, TTL_MS + TICK_MS);
      expect(scope.version).toBe(1);
      expect(world.logger.lines).not.toEqual([]);
      store.before = () => undefined;
      await pass(clock, 2_000);
      await until(() => scope.version === 2);
      expect([scope.state, scope.version]).toEqual([{}, 2]);
    });
  });
}

/** Claims about leaving memory. */
export function passivationCases(stores: RuntimeStores, count: number): void {
  describe("passivation", () => {
    it("idle scopes leave after their time and come back with nothing lost", async () => {
      const clock = simulatedClock(1);
      const runtime = new World(stores, clock).runtime({ passivateAfterMs: 1_000 });
      const a = await runtime.open<Counter>("user", "a");
      const b = await runtime.open<Counter>("draft", "b");
      const listened = await runtime.open<Counter>("user", "c");
      const off = listened.subscribe(() => undefined);
      await Promise.all([a.atomicState(add), b.atomicState(add)]);
      await b.flush();
      expect(runtime.residentScopes).toBe(3);
      await pass(clock, 700);
      expect(a.state).toEqual({ n: 1 });
      await pass(clock, 700);
      expect(runtime.residentScopes).toBe(3);
      await pass(clock, 2_500);
      expect(runtime.residentScopes).toBe(1);
      off();
      await pass(clock, 2_500);
      expect(runtime.residentScopes).toBe(0);
      sameScope(await runtime.open("user", "a"), a);
      expect(runtime.residentScopes).toBe(1);
      expect(await b.atomicState(add)).toBe(true);
      expect(b.state).toEqual({ n: 2 });
      expect(runtime.residentScopes).toBe(2);
    });

    it("never drops what exists nowhere else, but for a volatile scope no handle holds", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const held = gate();
      const runtime = world.runtime({ store, maxResidentScopes: 1 });
      const temp = await runtime.open<Counter>("temp", "t");
      await temp.atomicState(add);
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      const behind = await runtime.open<Counter>("draft", "s");
      await behind.atomicState(add);
      const busy = await runtime.open<Counter>("user", "b");
      const work = busy.atomicState(add);
      for (let at = 0; at < 50; at += 1) await runtime.open("user", `u${at}`);
      sameScope(await runtime.open("user", "b"), busy);
      expect(runtime.residentScopes).toBe(2);
      held.open();
      await Promise.all([work, behind.flush()]);
      await settled();
      expect(runtime.residentScopes).toBe(1);
      expect(temp.state).toEqual({ n: 1 });
      sameScope(await runtime.open("temp", "t"), temp);
    });

    it(
      `keeps at most 100 of ${count} in memory and loses nothing`,
      { timeout: 120_000 },
      async () => {
        const runtime = new World(stores).runtime({ maxResidentScopes: 100 });
        const ids = Array.from({ length: count }, (_, at) => `u${at}`);
        const held = await runtime.open<Counter>("user", "u0");
        await Promise.all(
          ids.map(async (id) => (await runtime.open<Counter>("user", id)).atomicState(add)),
        );
        await settled();
        expect(runtime.residentScopes).toBeLessThanOrEqual(100);
        for (const id of ids.filter((_, at) => at % 7 === 0)) {
          const scope = await runtime.open<Counter>("user", id);
          expect([scope.state, scope.version]).toEqual([{ n: 1 }, 1]);
          expect(runtime.residentScopes).toBeLessThanOrEqual(100);
        }
        expect(await held.atomicState(add)).toBe(true);
        sameScope(await runtime.open("user", "u0"), held);
        expect(held.state).toEqual({ n: 2 });
      },
    );

    it("volatile scopes leave with the others, and end when their time is over", async () => {
      const clock = simulatedClock(1);
      const options = { kinds: kinds("volatile"), maxResidentScopes: 30 };
      const runtime = new World(stores, clock).runtime(options);
      const open = (type: string, id: number) => runtime.open<Counter>(type, `${id}`);
      const ids = Array.from({ length: 20 }, (_, id) => id);
      const ended = await open("mortal", 0);
      for (const id of ids) await (await open("mortal", id)).atomicState(add);
      for (const id of ids) await (await open("temp", id)).atomicState(add);
      expect(runtime.residentScopes).toBe(30);
      await pass(clock, TTL_MS + TICK_MS);
      expect(runtime.residentScopes).toBeLessThanOrEqual(30);
      sameScope(await open("mortal", 0), ended);
      await ended.atomicState(add);
      expect([ended.state, ended.version]).toEqual([{ n: 1 }, 3]);
    });

    it("a dismissed volatile scope goes, and stays as it is for who holds it", async () => {
      const request = defineKind({ durability: "volatile" });
      const limit = 20;
      const runtime = new World(stores).runtime({ kinds: { request }, maxResidentScopes: limit });
      const held = await runtime.execute({ userId: "u" }, async (ctx) => {
        await ctx.request.patchState({ n: 7 });
        return ctx.request;
      });
      for (let n = 0; n < limit * 10; n += 1)
        await runtime.execute({ userId: "u" }, (ctx) => ctx.request.patchState({ n }));
      expect(runtime.residentScopes).toBeLessThanOrEqual(limit);
      const again = await runtime.open("request", held.identity.id);
      expect([again.state, again.version]).toEqual([{ n: 7 }, 1]);
      const { ids } = await runtime.list({ type: "request", prefix: held.identity.id });
      expect(ids).toContain(held.identity.id);
    });

    it("a listener added to a passivated scope brings it back", async () => {
      const clock = simulatedClock(1);
      const runtime = new World(stores, clock).runtime({ passivateAfterMs: 1_000 });
      const scope = await runtime.open<Counter>("user", "a");
      await pass(clock, 2_500);
      expect(runtime.residentScopes).toBe(0);
      scope.subscribe(() => undefined);
      expect(runtime.residentScopes).toBe(1);
      await pass(clock, 2_500);
      expect(runtime.residentScopes).toBe(1);
    });
  });
}
