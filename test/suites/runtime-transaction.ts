/** All or nothing over several scopes. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { MutationContext, StateChange } from "../../actors/protocol.ts";
import { residentOf } from "../../src/runtime/handle.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, settled, until } from "../support/waiting.ts";

type Opened = Awaited<ReturnType<typeof openAll>>;

function openAll(runtime: Runtime, types: readonly string[]) {
  return Promise.all(types.map((type) => runtime.open<Counter>(type, `${type}-1`)));
}

function both(scopes: Opened): [Opened[number], Opened[number]] {
  const [a, b] = scopes;
  if (a === undefined || b === undefined) throw new Error("two scopes");
  return [a, b];
}

/** What each scope shows. */
function shown(scopes: Opened): unknown[] {
  return scopes.map(({ state, version }) => [state.n, version]);
}

const KINDS = { ledger: defineKind({ durability: "checkpoint" as const }) };
const MIXED = ["user", "org", "temp", "ledger"];

/** Claims about `transaction`. */
export function transactionCases(stores: RuntimeStores): void {
  describe("transaction", () => {
    const world = (): World => new World(stores);
    const cannot = (it_: World): boolean => {
      const store = it_.store();
      return !store.supports.transactions;
    };

    it("is refused by a store that cannot, and by two stores", async () => {
      const here = world();
      const runtime = here.runtime({ kinds: { far: defineKind({ store: memoryStore() }) } });
      const [user, far] = both(await openAll(runtime, ["user", "far"]));
      await expect(runtime.transaction([user, far], () => undefined)).rejects.toThrow(/one store/);
      const scopes = both(await openAll(runtime, ["user", "org"]));
      const work = runtime.transaction(scopes, (a) => void (a.n = 1));
      if (cannot(here)) await expect(work).rejects.toThrow(/cannot do transactions/);
      else expect(await work).toBe(true);
      const strange = world().runtime();
      await expect(strange.transaction([user], () => undefined)).rejects.toBeInstanceOf(TypeError);
    });

    it("changes all, also volatile and checkpoint scopes, with one version and one event each", async (test) => {
      const here = world();
      if (cannot(here)) return test.skip();
      const runtime = here.runtime({ kinds: KINDS });
      const scopes = await openAll(runtime, MIXED);
      const events: StateChange[] = [];
      const atEvent: unknown[] = [];
      runtime.subscribe((change) => {
        events.push(change);
        atEvent.push(shown(scopes));
      });
      const changed = await runtime.transaction(scopes, (...drafts) => {
        for (const draft of drafts) {
          draft.n = 1;
          draft.list = [1];
        }
      });
      expect(changed).toBe(true);
      const after = MIXED.map(() => [1, 1]);
      expect(shown(scopes)).toEqual(after);
      // Whoever hears of one scope finds all of them changed.
      expect(atEvent).toEqual(MIXED.map(() => after));
      expect(
        events.map(({ scope, version, operation }) => [scope.type, version, operation]),
      ).toEqual(MIXED.toSorted().map((type) => [type, 1, "update"]));
      expect(await runtime.transaction(scopes, () => undefined)).toBe(false);
      await runtime.close();
      const again = await openAll(here.runtime({ kinds: KINDS }), MIXED);
      expect(shown(again)).toEqual(
        MIXED.map((type) => (type === "temp" ? [undefined, 0] : [1, 1])),
      );
      return undefined;
    });

    it("changes nothing when the recipe throws, early or late", async (test) => {
      const here = world();
      if (cannot(here)) return test.skip();
      const runtime = here.runtime({ kinds: KINDS });
      const scopes = await openAll(runtime, MIXED);
      for (const wait of [false, true]) {
        const work = runtime.transaction(scopes, (...drafts) => {
          for (const draft of drafts) draft.n = 9;
          if (!wait) throw new Error("mine");
          return Promise.resolve().then(() => {
            throw new Error("mine");
          });
        });
        await expect(work).rejects.toThrow("mine");
      }
      expect(shown(scopes)).toEqual(MIXED.map(() => [undefined, 0]));
      for (const scope of scopes) expect(await scope.atomicState(add)).toBe(true);
      return undefined;
    });

    it("runs again on what another runtime stored, and gives up with its error", async (test) => {
      const here = world();
      if (cannot(here)) return test.skip();
      const cas = { baseDelayMs: 1, escalate: false };
      const [first, second] = [here.runtime({ cas }), here.runtime()];
      const mine = both(await openAll(first, ["user", "org"]));
      const [theirs] = await openAll(second, ["user"]);
      await theirs?.atomicState(add);
      const attempts: number[] = [];
      const runs: number[] = [];
      const run = (spoil: () => Promise<unknown>) =>
        first.transaction(mine, async (user, org, context: MutationContext) => {
          attempts.push(user.n ?? 0);
          runs.push(context.attempt);
          await spoil();
          user.n = (user.n ?? 0) + 1;
          org.n = (org.n ?? 0) + 1;
        });
      expect(await run(() => Promise.resolve())).toBe(true);
      expect(attempts).toEqual([0, 1]);
      expect(runs).toEqual([1, 2]);
      expect(shown(mine)).toEqual([
        [2, 2],
        [1, 1],
      ]);
      const error = await rejection(
        run(async () => {
          await theirs?.refresh();
          await theirs?.atomicState(add);
        }),
        "CONCURRENT_MODIFICATION",
      );
      expect(error).toMatchObject({ attempts: 4 });
      await mine[0].refresh();
      await mine[1].refresh();
      expect(shown(mine)).toEqual([
        [6, 6],
        [1, 1],
      ]);
      return undefined;
    });

    it("two that take the same scopes the other way round never lock each other out", async () => {
      const runtime = world().runtime();
      const scopes = await Promise.all(["a", "b"].map((id) => runtime.open<Counter>("temp", id)));
      const [a, b] = both(scopes);
      const work: Promise<boolean>[] = [];
      for (let round = 0; round < 1_000; round += 1) {
        const order: [typeof a, typeof a] = round % 2 === 0 ? [a, b] : [b, a];
        const recipe = (left: Counter, right: Counter): void => {
          left.n = (left.n ?? 0) + 1;
          right.n = (right.n ?? 0) + 1;
        };
        work.push(
          runtime.transaction(order, round % 3 === 0 ? async (l, r) => recipe(l, r) : recipe),
        );
      }
      expect((await Promise.all(work)).every(Boolean)).toBe(true);
      expect(shown([a, b])).toEqual([
        [1_000, 1_000],
        [1_000, 1_000],
      ]);
    });

    it("refuses a held scope inside, and lets others be used", async () => {
      const runtime = world().runtime();
      const [a, b] = both(
        await Promise.all(["a", "b"].map((id) => runtime.open<Counter>("temp", id))),
      );
      const other = await runtime.open<Counter>("temp", "c");
      const inside = (work: () => Promise<unknown>) =>
        runtime.transaction([a, b], async (draft) => {
          await work();
          draft.n = 1;
        });
      await rejection(
        inside(() => b.atomicState(add)),
        "REENTRANT_MUTATION",
      );
      await rejection(
        inside(() => runtime.transaction([other, a], () => undefined)),
        "REENTRANT_MUTATION",
      );
      await rejection(
        other.atomicState(async () => {
          await runtime.transaction([other], () => undefined);
        }),
        "REENTRANT_MUTATION",
      );
      expect(await inside(() => other.atomicState(add))).toBe(true);
      expect(shown([a, b, other])).toEqual([
        [1, 1],
        [undefined, 0],
        [1, 1],
      ]);
    });

    it.each(["abort", "timeout", "stop"])(
      "a hanging recipe is left on %s and changes nothing",
      async (how) => {
        const clock = simulatedClock();
        const runtime = new World(stores, clock).runtime();
        const [a, b] = both(
          await Promise.all(["a", "b"].map((id) => runtime.open<Counter>("temp", id))),
        );
        const end = gate();
        const control = new AbortController();
        let lost: AbortSignal | undefined;
        const work = runtime.transaction(
          [a, b],
          async (draft) => {
            draft.n = 9;
            await end.promise;
          },
          { signal: control.signal, timeoutMs: 1_000 },
        );
        const inner = a.atomicState((state, turn) => {
          lost = turn.signal;
          return add(state);
        });
        work.catch(() => undefined); // It is looked at when time has passed.
        await settled();
        if (how === "abort") control.abort(new Error("enough"));
        else if (how === "timeout") await clock.advance(1_001);
        else await residentOf(b)?.stop();
        if (how === "abort") await expect(work).rejects.toThrow("enough");
        else await rejection(work, how === "stop" ? "SCOPE_STOPPED" : "SCOPE_MUTATION_TIMEOUT");
        expect(await inner).toBe(true);
        expect(lost?.aborted).toBe(false);
        end.open();
        await settled();
        expect(shown([a, b])).toEqual([
          [1, 1],
          [undefined, 0],
        ]);
      },
    );

    it("a late synchronous recipe does not change a scope it lost while it waited for the next", async () => {
      const clock = simulatedClock();
      const runtime = new World(stores, clock).runtime();
      const [a, b] = both(
        await Promise.all(["a", "b"].map((id) => runtime.open<Counter>("temp", id))),
      );
      const end = gate();
      const busy = b.atomicState(
        async (state) => {
          await end.promise;
          return add(state);
        },
        { timeoutMs: 0 },
      );
      const control = new AbortController();
      const work = runtime.transaction([a, b], (draft) => void (draft.n = 9), {
        signal: control.signal,
      });
      await settled();
      control.abort(new Error("enough"));
      await expect(work).rejects.toThrow("enough");
      end.open();
      expect(await busy).toBe(true);
      expect(await b.atomicState(add)).toBe(true);
      expect(shown([a, b])).toEqual([
        [undefined, 0],
        [2, 2],
      ]);
    });

    it.each(["temp", "user"])(
      "a recipe that aborts its own transaction of %s scopes changes nothing",
      async (type) => {
        const here = world();
        if (cannot(here)) return;
        const runtime = here.runtime();
        const scope = await runtime.open<Counter>(type, "a");
        const control = new AbortController();
        const recipe = (draft: Counter): void => {
          draft.n = 9;
          control.abort(new Error("enough"));
        };
        const work = runtime.transaction([scope], recipe, { signal: control.signal });
        await expect(work).rejects.toThrow("enough");
        await settled();
        await scope.refresh();
        expect(shown([scope])).toEqual([[undefined, 0]]);
      },
    );

    it("one that loses a scope while it is being stored is of unknown outcome, and all scopes look", async (test) => {
      const here = world();
      if (cannot(here)) return test.skip();
      const store = steer(here.store());
      // Without retries, so that a scope that did not look would fail its next change.
      const runtime = here.runtime({ store, cas: { maxRetries: 0, escalate: false } });
      const scopes = both(await openAll(runtime, ["user", "org"]));
      const held = gate();
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      const control = new AbortController();
      const options = { signal: control.signal };
      const work = runtime.transaction(scopes, (a, b) => void (a.n = b.n = 5), options);
      await settled();
      control.abort(new Error("enough"));
      await rejection(work, "COMMIT_UNKNOWN");
      held.open();
      await until(() => store.writes === 2); // On the way to a server for a while.
      for (const scope of scopes) expect(await scope.atomicState(add)).toBe(true);
      expect(shown(scopes)).toEqual([
        [6, 2],
        [6, 2],
      ]);
      return undefined;
    });

    it("G7: of two runtimes that meet on the same records in every turn, none gives up", async (test) => {
      const here = world();
      if (cannot(here)) return test.skip();
      const cas = { maxRetries: 1, baseDelayMs: 0 };
      const runtimes = here.pair({ cas });
      const all = await Promise.all(runtimes.map((runtime) => openAll(runtime, ["user", "org"])));
      await Promise.all(
        runtimes.map(async (runtime, index) => {
          const scopes = both(all[index] ?? []);
          for (let turn = 0; turn < 50; turn += 1)
            await runtime.transaction(index === 0 ? scopes : [scopes[1], scopes[0]], (a, b) => {
              a.n = (a.n ?? 0) + 1;
              b.n = (b.n ?? 0) + 1;
            });
        }),
      );
      const scopes = both(all[0] ?? []);
      for (const scope of scopes) await scope.refresh();
      expect(shown(scopes)).toEqual([
        [100, 100],
        [100, 100],
      ]);
      return undefined;
    });

    it("G4: a scope that comes in the turn in which another is lost is given back", async () => {
      const clock = simulatedClock();
      const runtime = new World(stores, clock).runtime();
      const [a, b] = both(
        await Promise.all(["a", "b"].map((id) => runtime.open<Counter>("temp", id))),
      );
      const control = new AbortController();
      const busy = b.atomicState(() => gate().promise, { signal: control.signal });
      busy.catch(() => undefined);
      await settled();
      const work = runtime.transaction([a, b], () => undefined);
      await settled();
      control.abort(); // Frees the second, and in the same turn the first is lost.
      void residentOf(a)?.stop();
      await rejection(work, "SCOPE_STOPPED");
      expect(await b.atomicState(add)).toBe(true);
    });

    it.each(["transaction", "delete"])(
      "G7: a %s that is done is told so, though its turn is still being given back",
      async (what) => {
        const clock = simulatedClock(1);
        const here = new World(stores, clock);
        if (cannot(here)) return;
        const inner = here.store();
        const store = steer(inner);
        const [done, held] = [gate(), gate()];
        onTestFinished(() => held.open());
        async function slowly<T>(key: string, ttlMs: number, turn: () => Promise<T>): Promise<T> {
          const answer = await (inner.exclusive?.(key, ttlMs, turn) ?? turn());
          done.open();
          await held.promise; // As a server that went away after the commit.
          return answer;
        }
        store.exclusive = slowly;
        const runtime = here.runtime({ store, cas: { maxRetries: 0 }, watch: false });
        const scope = await runtime.open<Counter>("user", "a");
        await scope.atomicState(add);
        const other = await here.runtime().open<Counter>("user", "a");
        let isRaced = false;
        store.before = async (operation) => {
          if (operation !== "commit" || isRaced) return;
          isRaced = true;
          await other.refresh();
          await other.atomicState(add);
        };
        const options = { timeoutMs: 300 };
        const work =
          what === "delete"
            ? scope.delete(options)
            : runtime.transaction([scope], (draft) => void (draft.n = 9), options);
        await done.promise;
        await clock.advance(options.timeoutMs);
        expect(await work).toBe(true);
        expect(scope.version).toBe(3);
      },
    );

    it("takes no scope that is stopped", async () => {
      const runtime = world().runtime();
      const scope = await runtime.open<Counter>("temp", "a");
      await residentOf(scope)?.stop();
      await rejection(
        runtime.transaction([scope], () => undefined),
        "SCOPE_STOPPED",
      );
    });
  });
}
