/** Exclusive sections of users: over one scope and several, on any store. */
import { describe, expect, it } from "vitest";
import { ExclusiveLostError, HoldfastError } from "../../actors/errors.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { HeldScope, Scope } from "../../src/runtime/scope.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { gate, rejection, settled, turned, until } from "../support/waiting.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";

const KINDS = { draft: defineKind({ durability: "checkpoint" as const }) };

interface Wide extends Counter {
  of?: Record<string, number>;
}

/** What a held scope has besides its fields. */
type Operations = Omit<HeldScope<Wide>, "identity" | "state" | "version">;

interface Brief extends Counter {
  until?: number;
}

function open(runtime: Runtime, id = "x", type = "user"): Promise<Scope<Counter>> {
  return runtime.open<Counter>(type, id);
}

/** What a scope is not: the rest of a handle must be on what is held of it. */
const NOT_HELD = "actor changes checkpointErrors onEnd stats stop stopped subscribe".split(" ");

/** Every operation of a held scope: one that is new does not compile without a line here. */
const OPERATIONS: { [Name in keyof Operations]: (held: HeldScope<Wide>) => unknown } = {
  patchState: (held) => held.patchState({ text: "b" }),
  setState: (held) => held.setState({ ...held.state, text: "c" }),
  incState: (held) => held.incState({ n: 1 }),
  pushState: (held) => held.pushState("list", 2),
  appendState: (held) => held.appendState("list", [3, 4]),
  setStateRecord: async (held) => {
    await held.setStateRecord("of", "a", 1);
    await held.setStateRecord("of", "b", 2);
  },
  deleteStateRecord: (held) => held.deleteStateRecord("of", "a"),
  atomicState: (held) => held.atomicState(() => undefined),
  update: (held) => held.update(() => undefined),
  transact: async (held) => {
    expect(await held.transact((draft) => ((draft.n ?? 0) + 1) * 10)).toBe(50);
  },
  read: async (held) => expect(await held.read()).toBe(held.state),
  slice: async (held) => expect(await held.slice("list", 1, 3)).toEqual([2, 3]),
  exclusive: (held) => held.exclusive((inner) => inner.incState({ n: 1 })),
  history: async (held) => expect(await held.history().next()).toMatchObject({ done: true }),
  at: async (held) => expect((await held.at(held.version)).state).toEqual(held.state),
  rewind: async (held) => expect(await held.rewind(held.version)).toBe(false),
  undo: async (held) => expect(await held.undo()).toBe(false),
  redo: async (held) => expect(await held.redo()).toBe(false),
  // Of a kind without timers; with timers: runtime-timers.ts.
  schedule: (held) => rejection(held.schedule("t", { afterMs: 1 })),
  unschedule: (held) => rejection(held.unschedule("t")),
  timers: (held) => rejection(held.timers()),
  refresh: (held) => held.refresh(),
  flush: (held) => held.flush(),
  delete: () => undefined, // Last, in the test.
};

/** Claims about `scope.exclusive` and `runtime.exclusive`. */
export function exclusiveCases(stores: RuntimeStores): void {
  describe("exclusive", () => {
    const world = (): World => new World(stores);

    it.each(["user", "temp", "draft"])("all other calls of a %s wait, in order", async (type) => {
      const here = world();
      const scope = await open(here.runtime({ kinds: KINDS }), "x", type);
      const log: string[] = [];
      const push = (to: HeldScope<Counter>, n: number): Promise<boolean> =>
        to.pushState("list", n).finally(() => log.push(`pushed ${n}`));
      const calls = [
        push(scope, 1),
        scope.exclusive(async (held) => {
          log.push(`held ${held.version} ${JSON.stringify(held.state.list)}`);
          await settled();
          expect(await push(held, 2)).toBe(true);
          expect(await held.pushState("list", 3)).toBe(true);
          expect([held.state.list, held.version]).toEqual([[1, 2, 3], 3]);
          expect(scope.state.list).toEqual([1, 2, 3]);
        }),
        push(scope, 4),
        scope.exclusive((held) => push(held, 5)),
        push(scope, 6),
      ];
      await Promise.all(calls);
      expect(log).toEqual(["pushed 1", "held 1 [1]", ...[2, 4, 5, 6].map((n) => `pushed ${n}`)]);
      expect([scope.state.list, scope.version]).toEqual([[1, 2, 3, 4, 5, 6], 6]);
    });

    it("stores each held call when it resolves, also if the work throws later", async () => {
      const here = world();
      const [runtime, other] = here.pair();
      const scope = await open(runtime);
      const seen: unknown[] = [];
      const error = new Error("later");
      const failed = scope.exclusive(async (held) => {
        await held.setState({ n: 1 });
        seen.push((await (await open(other)).read()).n);
        await held.incState({ n: 1 });
        throw error;
      });
      expect(await rejection(failed)).toBe(error);
      expect(seen).toEqual([1]);
      expect((await (await open(other)).read()).n).toBe(2);
      expect(await scope.incState({ n: 1 })).toBe(true);
      expect(scope.state.n).toBe(3);
    });

    it("has every operation of a scope, each by a held call", async () => {
      const scope: Scope<Wide> = await world().runtime().open<Wide>("user", "x");
      const names = new Set(
        [Reflect.ownKeys(Object.getPrototypeOf(scope))]
          .flat()
          .filter((name) => typeof name === "string"),
      );
      await scope.exclusive(async (held) => {
        const missing = [...names].filter((name) => !(name in held) && !NOT_HELD.includes(name));
        expect(missing).toEqual([]);
        await held.patchState({ n: 1 });
        await held.patchState("n", (n = 0) => n + 1);
        await held.pushState("list", 1);
        await held.atomicState(add);
        await held.update((draft) => void (draft.text = "a"));
        expect(await held.read()).toEqual({ n: 3, list: [1], text: "a" });
        await held.refresh();
        await held.flush();
        for (const operation of Object.values(OPERATIONS)) await operation(held);
        expect(held.state).toEqual({ n: 5, list: [1, 2, 3, 4], text: "c", of: { b: 2 } });
        const once = { once: "a key" };
        await Promise.all([held.incState({ n: 1 }, once), held.incState({ n: 1 }, once)]);
        expect([held.state.n, held.version]).toEqual([6, 15]);
        expect(await held.delete()).toBe(true);
        expect([held.state, held.version]).toEqual([{}, 16]);
        expect(await held.setState({ n: 9 })).toBe(true);
        expect(await held.setState({ n: 9 })).toBe(false);
        expect(await rejection(held.pushState("n" as "list", 1), "STATE_TYPE")).toBeDefined();
      });
      expect([scope.state, scope.version]).toEqual([{ n: 9 }, 17]);
    });

    it("awaits held calls that the work does not await, and refuses later ones", async () => {
      const scope = await open(world().runtime());
      const release = gate();
      let kept: HeldScope<Counter> | undefined;
      let isOver = false;
      const inside = scope.exclusive((held) => {
        kept = held;
        void held.atomicState(async (state) => {
          await release.promise;
          return add(state);
        });
        void held.incState({ n: 1 });
        return "over";
      });
      const after = scope.incState({ n: 10 });
      void inside.then(() => (isOver = true));
      await settled();
      expect(isOver).toBe(false);
      release.open();
      expect([await inside, await after]).toEqual(["over", true]);
      expect(scope.state.n).toBe(12);
      const lost = await rejection(kept?.incState({ n: 1 }) ?? Promise.resolve(), "EXCLUSIVE_LOST");
      expect(lost).toBeInstanceOf(ExclusiveLostError);
      expect(scope.state.n).toBe(12);
    });

    it("ends a wait by its time limit and its signal, and never a section by them", async () => {
      const clock = simulatedClock(1);
      const scope = await open(new World(stores, clock).runtime());
      const [begun, release] = [gate(), gate()];
      const abort = new AbortController();
      const first = scope.exclusive(
        async (held) => {
          begun.open();
          await release.promise;
          return held.setState({ n: 1 });
        },
        { timeoutMs: 50, signal: abort.signal },
      );
      await begun.promise;
      const work = (): never => expect.unreachable();
      const waiting = scope.exclusive(work, { timeoutMs: 60 });
      const late = await rejection(turned(clock, waiting, 20), "SCOPE_MUTATION_TIMEOUT");
      expect(late["phase"]).toBe("queued");
      const aborted = scope.exclusive(work, { signal: abort.signal });
      abort.abort("changed my mind");
      expect(await rejection(aborted)).toBe("changed my mind");
      expect(await rejection(scope.exclusive(work, { signal: abort.signal }))).toBe(
        "changed my mind",
      );
      release.open();
      expect(await first).toBe(true);
      expect(scope.state.n).toBe(1);
      const bad = { timeoutMs: 1, retries: 1 };
      expect(await rejection(scope.exclusive(work, bad))).toBeInstanceOf(TypeError);
      expect(await rejection(scope.exclusive(work, { timeoutMs: NaN }))).toBeInstanceOf(RangeError);
    });

    it("builds on what another runtime has written, and its writers wait", async () => {
      const here = world();
      const [one, two] = here.pair({ watch: false });
      const [mine, theirs] = [await open(one), await open(two)];
      await theirs.setState({ n: 1 });
      const started = gate();
      const release = gate();
      const section = mine.exclusive(async (held) => {
        expect([held.state.n, held.version]).toEqual([1, 1]);
        started.open();
        await release.promise;
        return held.incState({ n: 1 });
      });
      await started.promise;
      let isWritten = false;
      const plain = theirs.incState({ n: 10 }).then(() => (isWritten = true));
      const other = theirs.exclusive((held) => held.incState({ n: 100 }));
      await settled(50);
      expect(isWritten).toBe(false);
      release.open();
      await Promise.all([section, plain, other]);
      expect((await mine.read()).n).toBe(112);
    });

    it("runs over several scopes in the order of their keys, each position with its held", async () => {
      const here = world();
      const runtime = here.runtime({ kinds: KINDS });
      const [a, b, c] = [
        await open(runtime, "a"),
        await open(runtime, "b"),
        await open(runtime, "c"),
      ];
      const draft = await open(runtime, "d", "draft");
      const seen: unknown[] = [];
      await Promise.all([
        runtime.exclusive([b, a, draft, b], async ([hb, ha, hd, again]) => {
          expect(again).toBe(hb);
          seen.push("first", ha.state.n);
          await Promise.all([ha.incState({ n: 1 }), hb.incState({ n: 2 }), hd.incState({ n: 3 })]);
          await again.incState({ n: 4 });
          seen.push(hb.state.n, hd.state.n);
        }),
        runtime.exclusive([a, b], async ([ha, hb]) => {
          seen.push("second", ha.state.n);
          await ha.incState({ n: 10 });
          await hb.incState({ n: 10 });
          seen.push(hb.state.n);
        }),
        c.incState({ n: 1 }),
      ]);
      // The key of the draft comes first, so the first section has not acquired the others yet.
      expect(seen).toEqual(["second", undefined, 10, "first", 10, 16, 3]);
      expect([a.state.n, b.state.n, c.state.n, draft.state.n]).toEqual([11, 16, 1, 3]);
      expect(await runtime.exclusive([], (held) => held)).toEqual([]);
      const foreign = await open(world().runtime());
      const refused = runtime.exclusive([foreign], () => 1);
      expect(await rejection(refused)).toBeInstanceOf(TypeError);
    });

    it("finishes a section before the runtime closes, and refuses its calls after that", async () => {
      const here = world();
      const runtime = here.runtime();
      const scope = await open(runtime);
      const release = gate();
      const section = scope.exclusive(async (held) => {
        await release.promise;
        await held.incState({ n: 1 });
        return held.incState({ n: 1 });
      });
      await settled();
      const closing = runtime.close();
      expect(await rejection(scope.incState({ n: 5 }), "SCOPE_STOPPED")).toBeDefined();
      release.open();
      expect(await section).toBe(true);
      await closing;
      expect((await open(here.runtime())).state.n).toBe(2);
    });

    it("ends a section that outlasts the close: its calls are refused, its store closes", async () => {
      const here = world();
      const runtime = here.runtime();
      const scope = await open(runtime);
      const release = gate();
      const codes: unknown[] = [];
      const section = scope.exclusive(async (held) => {
        await held.setState({ n: 1 });
        await release.promise;
        await held.incState({ n: 1 }).catch((error: unknown) => {
          codes.push(error instanceof HoldfastError ? error.code : error);
        });
      });
      const ended = rejection(section, "SCOPE_STOPPED");
      await until(() => scope.state.n === 1);
      await runtime.close({ drainMs: 0 });
      await ended;
      release.open();
      await until(() => codes.length > 0);
      expect(codes).toEqual(["EXCLUSIVE_LOST"]);
      expect((await open(here.runtime())).state.n).toBe(1);
    });

    it("does not keep others out once its work is over, and keeps nothing in the store", async () => {
      const here = world();
      const [one, two] = here.pair();
      const [mine, theirs] = [await open(one), await open(two)];
      for (let round = 0; round < 3; round += 1) {
        await mine.exclusive((held) => held.incState({ n: 1 }));
        await theirs.exclusive((held) => held.incState({ n: 1 }));
        await theirs.incState({ n: 1 });
      }
      expect((await mine.read()).n).toBe(9);
    });

    it.each([true, false])(
      "a write on an expired state waits for the section of another runtime (escalate: %s)",
      async (escalate) => {
        const here = world();
        const brief = defineKind({
          durability: "commit" as const,
          livesUntil: ({ until: end = Infinity }: Brief) => end,
        });
        const [one, two] = here.pair({ kinds: { brief }, watch: false, cas: { escalate } });
        const mine = await one.open<Brief>("brief", "x");
        const theirs = await two.open<Brief>("brief", "x");
        await mine.setState({ n: 1, until: Date.now() + 30 });
        const [started, release] = [gate(), gate()];
        const section = theirs.exclusive(async (held) => {
          await until(() => held.state.n === undefined && mine.state.n === undefined);
          started.open();
          await release.promise;
          return held.incState({ n: 10 });
        });
        await started.promise;
        const calls = [mine.incState({ n: 100 }), mine.incState({ n: 1_000 })];
        await settled(50);
        release.open();
        await Promise.all([section, ...calls]);
        expect(await theirs.read()).toEqual({ n: 1_110 });
      },
    );

    it("ends a wait for the section of another runtime with the call", async () => {
      const here = world();
      const [one, two] = here.pair({ watch: false, exclusiveLeaseMs: 60_000 });
      const [mine, theirs] = [await open(one), await open(two)];
      const [started, release] = [gate(), gate()];
      const section = theirs.exclusive(async (held) => {
        started.open();
        await release.promise;
        return held.incState({ n: 1 });
      });
      await started.promise;
      const late = await rejection(mine.incState({ n: 10 }, { timeoutMs: 300 }));
      expect(["SCOPE_MUTATION_TIMEOUT", "COMMIT_UNKNOWN"]).toContain(late["code"]);
      const closing = mine.incState({ n: 100 });
      await settled(50);
      const refused = rejection(closing);
      await one.close({ drainMs: 0 });
      expect(["SCOPE_STOPPED", "COMMIT_UNKNOWN"]).toContain((await refused)["code"]);
      release.open();
      await section;
      expect((await theirs.read()).n).toBe(1);
    });

    it("ends when the changes of a checkpoint scope are stored, also when its work throws", async () => {
      const here = world();
      const [one, two] = here.pair({ watch: false });
      const [mine, theirs] = [await open(one, "x", "draft"), await open(two, "x", "draft")];
      for (let turn = 0; turn < 3; turn += 1)
        for (const scope of [mine, theirs])
          await scope.exclusive(async (held) => {
            await held.setState({ n: (held.state.n ?? 0) + 1 });
          });
      const error = new Error("later");
      const failed = mine.exclusive(async (held) => {
        await held.incState({ n: 1 });
        throw error;
      });
      expect(await rejection(failed)).toBe(error);
      await theirs.exclusive((held) => expect(held.state.n).toBe(7));
    });

    it("flushes several times at once, while held calls run", async () => {
      const scope = await open(world().runtime());
      const release = gate();
      await scope.exclusive(async (held) => {
        const call = held.atomicState(async (state) => {
          await release.promise;
          return add(state);
        });
        const flushes = [held.flush(), held.flush(), held.flush()];
        release.open();
        await Promise.all([call, ...flushes]);
        await held.exclusive((inner) => Promise.all([inner.flush(), inner.incState({ n: 1 })]));
      });
      expect(scope.state.n).toBe(2);
    });

    it("releases the scopes that it has when another one cannot be acquired", async () => {
      const runtime = world().runtime();
      const [a, b] = [await open(runtime, "a"), await open(runtime, "b")];
      const release = gate();
      const owner = b.exclusive(() => release.promise);
      await settled();
      const abort = new AbortController();
      const work = (): never => expect.unreachable();
      const both = [
        runtime.exclusive([a, b], work, { timeoutMs: 50 }),
        runtime.exclusive([a, b], work, { signal: abort.signal }),
      ];
      expect(await rejection(both[0] ?? owner, "SCOPE_MUTATION_TIMEOUT")).toBeDefined();
      const next = a.incState({ n: 1 });
      abort.abort("changed my mind");
      expect(await rejection(both[1] ?? owner)).toBe("changed my mind");
      expect(await next).toBe(true);
      expect(await a.exclusive((held) => held.incState({ n: 1 }))).toBe(true);
      release.open();
      await owner;
      expect(await runtime.exclusive([a, b], ([ha]) => ha.incState({ n: 1 }))).toBe(true);
    });

    it("releases the scope when its record cannot be read, and passes the error on", async () => {
      const here = world();
      const store = steer(here.store());
      const scope = await open(here.runtime({ store }));
      await scope.setState({ n: 1 });
      const error = new Error("away");
      store.before = () => {
        throw error;
      };
      if (store.supports.shared !== false) {
        const work = (): never => expect.unreachable();
        expect(await rejection(scope.exclusive(work))).toBe(error);
      }
      store.before = () => undefined;
      expect(await scope.exclusive((held) => held.incState({ n: 1 }))).toBe(true);
      expect(await scope.incState({ n: 1 })).toBe(true);
    });
  });
}
