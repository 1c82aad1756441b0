/**
 * What is over is over: a state whose time has ended is shown to nobody and nothing builds on it,
 * whether or not timers ran and whatever the store does meanwhile.
 */
import { describe, expect, it } from "vitest";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { defineKind, type Durability } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import { faultyStore, type FaultKind } from "../../src/testing/faulty-store.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, settled, turned, until } from "../support/waiting.ts";

const TTL_MS = 10_000;
const MINUTE_MS = 60_000;

interface Token extends Counter {
  token?: string;
  until?: number;
}

const RULES = {
  ttlMs: { ttlMs: TTL_MS },
  livesUntil: { livesUntil: (state: object) => (state as Token).until ?? Infinity },
};
const DURABILITIES = ["volatile", "checkpoint", "commit"] as const;
const ENDS = ["ttlMs", "livesUntil"] as const;
type Rule = (typeof ENDS)[number];
/** Every way in which a state can end. */
const WAYS: readonly (readonly [Durability, Rule])[] = DURABILITIES.flatMap((durability) =>
  ENDS.map((rule) => [durability, rule] as const),
);

/** A kind whose states end, and the way to write one. */
function mortal(durability: Durability, rule: Rule) {
  const kinds = { mortal: defineKind({ ...RULES[rule], durability }) };
  const open = (runtime: Runtime) => runtime.open<Token>("mortal", "m");
  const begin = async (runtime: Runtime, clock: SimulatedClock): Promise<Scope<Token>> => {
    const scope = await open(runtime);
    const end = rule === "livesUntil" ? { until: clock.now() + TTL_MS } : {};
    await scope.setState({ token: "secret", n: 5, ...end });
    await scope.flush();
    return scope;
  };
  return { kinds, open, begin };
}

/** The machine sleeps: time has passed, and no timer ran. */
function sleep(clock: SimulatedClock): void {
  clock.setTime(clock.now() + TTL_MS * 4);
}

/** Lets time pass in steps, and the real work of each go as far as it can. */
async function pass(clock: SimulatedClock, ms: number, steps = 1): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await clock.advance(ms / steps);
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

function observed(scope: Scope<Token>): string[] {
  const events: string[] = [];
  scope.subscribe(({ operation, version }) => {
    events.push(`${operation} ${version}`);
    expect(Object.hasOwn(scope.state, "token")).toBe(operation === "set");
  });
  return events;
}

/** Claims about states whose time is over. */
export function expiryCases(stores: RuntimeStores): void {
  describe.each(WAYS)("a %s state whose time is over by %s", (durability, rule) => {
    const { kinds, open, begin } = mortal(durability, rule);
    const start = async () => {
      const clock = simulatedClock(1_000_000);
      const world = new World(stores, clock);
      const store = steer(world.store());
      const runtime = world.runtime({ store, kinds });
      return { clock, world, store, runtime, scope: await begin(runtime, clock) };
    };

    it("is shown to nobody, though no timer ran", async () => {
      const { clock, runtime, scope } = await start();
      const { actor } = scope;
      expect(scope.state.token).toBe("secret");
      sleep(clock);
      expect([scope.state, scope.version]).toEqual([{}, 1]);
      expect((await open(runtime)).state).toEqual({});
      expect(actor.getSnapshot().context.state).toEqual({});
      const reader = scope.changes({ since: 0 })[Symbol.asyncIterator]();
      const marker = { type: "snapshot", scope: scope.identity, version: 1, state: {} };
      expect((await reader.next()).value).toEqual(marker);
      await reader.return?.();
      expect([await scope.read(), scope.version]).toEqual([{}, 2]);
      if (stores.ownClock !== true)
        expect((await runtime.list({ type: "mortal" })).ids).toEqual([]);
    });

    it("is built on by nothing: it ends with one delete, then comes the change", async () => {
      const { clock, scope } = await start();
      const events = observed(scope);
      sleep(clock);
      const changed = await Promise.all([scope.atomicState(add), scope.atomicState(add)]);
      expect(changed).toEqual([true, true]);
      expect([scope.state, scope.version]).toEqual([{ n: 2 }, 4]);
      expect(events).toEqual(["delete 2", "atomic 3", "atomic 4"]);
    });

    it("is not seen by a call that waited across the end of its time", async () => {
      const { clock, scope } = await start();
      const held = gate();
      const nothing = scope.atomicState(async () => {
        await held.promise;
        return {};
      });
      const waiting = [scope.atomicState(add), scope.incState({ n: 1 }), scope.atomicState(add)];
      await settled();
      sleep(clock);
      expect(scope.state).toEqual({});
      held.open();
      expect(await Promise.all([nothing, ...waiting])).toEqual([false, true, true, true]);
      expect([scope.state, scope.version]).toEqual([{ n: 3 }, 5]);
    });

    it("is not seen by a transaction that waited across the end of its time", async () => {
      const { clock, store, runtime, scope } = await start();
      const type = durability === "commit" ? "user" : "temp";
      if (!store.supports.transactions && durability === "commit") return; // It is refused.
      const other = await runtime.open<Counter>(type, "z");
      const held = gate();
      const busy = other.atomicState(async () => {
        await held.promise;
        return {};
      });
      let seen: unknown;
      const both = runtime.transaction([scope, other], (mine, theirs) => {
        seen = { ...mine };
        mine.n = (mine.n ?? 0) + 1;
        theirs.n = mine.n;
      });
      await settled();
      sleep(clock);
      held.open();
      expect(await Promise.all([busy, both])).toEqual([false, true]);
      expect([seen, scope.state, scope.version, other.state]).toEqual([{}, { n: 1 }, 3, { n: 1 }]);
    });

    it("stays over while its store is away", async () => {
      const { clock, world, store, runtime, scope } = await start();
      const events = observed(scope);
      store.before = () => {
        throw new StoreUnavailableError("away");
      };
      await pass(clock, TTL_MS * 3, 30);
      expect(scope.state).toEqual({});
      const early = scope.atomicState(add);
      if (durability === "commit") {
        await rejection(early, "STORE_UNAVAILABLE");
        await rejection(scope.refresh(), "STORE_UNAVAILABLE");
        await rejection(scope.read(), "STORE_UNAVAILABLE");
        if (store.supports.transactions)
          await rejection(
            runtime.transaction([scope], () => undefined),
            "STORE_UNAVAILABLE",
          );
        expect([scope.state, scope.version, events]).toEqual([{}, 1, []]);
      } else expect(await early).toBe(true);
      store.before = () => undefined;
      expect(await scope.atomicState(add)).toBe(true);
      const n = durability === "commit" ? 1 : 2;
      expect([scope.state, scope.version]).toEqual([{ n }, n + 2]);
      expect(events.filter((event) => event.startsWith("delete"))).toEqual(["delete 2"]);
      await scope.flush();
      await runtime.close();
      if (durability === "volatile") return;
      expect((await open(world.runtime({ kinds }))).state).toEqual({ n });
    });
  });

  faultCases(stores);
  lateCases(stores);
  outageCases(stores);
}

const FAULTS: readonly FaultKind[] = ["fail", "lost", "unknown", "conflict", "duplicate", "torn"];

/** The delete that ends a state meets every fault. */
function faultCases(stores: RuntimeStores): void {
  describe.each(ENDS)("the end of a state by %s", (rule) => {
    const { kinds, open, begin } = mortal("commit", rule);

    it.each(FAULTS)("is no way back when its delete meets the fault %s", async (kind) => {
      const clock = simulatedClock(1_000_000);
      const world = new World(stores, clock);
      let faults: FaultKind[] = [];
      const store = faultyStore(world.store(), {
        choose: ({ operation }) => (operation === "commit" ? faults.shift() : undefined),
      });
      const runtime = world.runtime({ store, kinds });
      const scope = await begin(runtime, clock);
      const versions = [scope.version];
      scope.subscribe(({ version }) => {
        versions.push(version);
        expect(scope.state.token).toBe(undefined);
      });
      sleep(clock);
      faults = [kind];
      let changed = false;
      for (let tries = 0; tries < 5 && !changed; tries += 1)
        changed = await scope.atomicState(add).catch(() => false);
      expect([changed, scope.state]).toEqual([true, { n: 1 }]);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      expect((await open(world.runtime({ kinds }))).state).toEqual({ n: 1 });
    });
  });
}

/** What comes to the store when the time is over already. */
function lateCases(stores: RuntimeStores): void {
  it.each(ENDS)(
    "a checkpoint that is written late gives a state that is over by %s no life",
    async (rule) => {
      const { kinds, open, begin } = mortal("checkpoint", rule);
      const clock = simulatedClock(1_000_000);
      const world = new World(stores, clock);
      const store = steer(world.store());
      const runtime = world.runtime({ store, kinds });
      store.before = (operation) => {
        if (operation === "commit") throw new StoreUnavailableError("away");
      };
      await begin(runtime, clock).catch(() => undefined);
      sleep(clock);
      store.before = () => undefined;
      const scope = await open(runtime);
      await scope.flush();
      const other = await open(world.runtime({ kinds }));
      expect([scope.state, other.state]).toEqual([{}, {}]);
    },
  );

  it.skipIf(stores.ownClock === true)(
    "what a conflict found is over when its time ended before the next attempt",
    async () => {
      const { kinds, open, begin } = mortal("commit", "ttlMs");
      const clock = simulatedClock(1_000_000);
      const [first, second] = new World(stores, clock).pair({ kinds, watch: false });
      const mine = await open(first);
      await begin(second, clock);
      const changed = mine.atomicState(add);
      await until(() => mine.version === 1); // It went to what the other wrote, and waits.
      expect(mine.state.token).toBe("secret");
      sleep(clock);
      const moving = setInterval(() => void clock.advance(100), 1);
      expect(await changed.finally(() => clearInterval(moving))).toBe(true);
      expect([mine.state, mine.version]).toEqual([{ n: 1 }, 3]);
    },
  );
}

/** How an outage of the store is borne. */
function outageCases(stores: RuntimeStores): void {
  it("an outage at the end of many states is logged once, and asked about ever more slowly", async () => {
    const clock = simulatedClock(1_000_000);
    const world = new World(stores, clock);
    const store = steer(world.store());
    const runtime = world.runtime({ store, kinds: { mortal: defineKind({ ttlMs: TTL_MS }) } });
    const opened = ["a", "b", "c"].map((id) => runtime.open<Token>("mortal", id));
    const scopes = await Promise.all(opened);
    const write = () => Promise.all(scopes.map((scope) => scope.setState({ token: "secret" })));
    for (let outage = 1; outage <= 2; outage += 1) {
      await write();
      let asked = 0;
      store.before = (_operation, keys) => {
        asked += keys.length;
        throw new StoreUnavailableError("away");
      };
      await pass(clock, TTL_MS + MINUTE_MS * 10, 300);
      expect(scopes.map(({ state }) => state)).toEqual([{}, {}, {}]);
      expect(asked).toBeGreaterThan(scopes.length * 8);
      expect(asked).toBeLessThan(scopes.length * 20);
      expect(world.logger.lines).toHaveLength(outage);
      store.before = () => undefined;
      const hasEnded = (): boolean => scopes.every(({ version }) => version === outage * 2);
      await turned(clock, until(hasEnded), 1_000);
    }
  });
}
