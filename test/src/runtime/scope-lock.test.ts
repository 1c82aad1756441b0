/** A scope in memory: order, the fast path, asynchronous mutators, re-entrancy. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import type { StateChange } from "../../../actors/protocol.ts";
import type { DeepReadonly } from "../../../actors/state-types.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
  list: number[];
  map: Record<string, number>;
}
const initial: Bag = { n: 0, list: [], map: {} };

describe("the mailbox of a scope (semantics 1)", () => {
  it("lets mutations take effect in the order of the calls", async () => {
    const scope = createScope({ initial });
    const wait = gate();
    const calls = [
      scope.atomicState(async () => {
        await wait.promise;
        return { list: [1] };
      }),
      scope.pushState("list", 2),
      scope.atomicState((state) => ({ list: [...state.list, 3] })),
      scope.update((draft) => void draft.list.push(4)),
    ];
    expect(scope.state.list).toEqual([]);
    wait.open();
    expect(await Promise.all(calls)).toEqual([true, true, true, true]);
    expect(scope.state.list).toEqual([1, 2, 3, 4]);
    expect(scope.version).toBe(4);
  });

  it("loses nothing in 100 concurrent asynchronous n + 1", async () => {
    const scope = createScope({ initial });
    const seen: number[] = [];
    scope.subscribe((change) => seen.push(change.version));
    const calls = Array.from({ length: 100 }, () =>
      scope.atomicState(async ({ n }) => {
        await Promise.resolve();
        return { n: n + 1 };
      }),
    );
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, () => true));
    expect(scope.state.n).toBe(100);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it("refuses the mutation after mailboxLimit waiting ones, and only that", async () => {
    const scope = createScope({ initial, mailboxLimit: 2 });
    const wait = gate();
    const running = scope.atomicState(() => wait.promise);
    const waiting = [scope.incState({ n: 1 }), scope.incState({ n: 1 })];
    const error = await rejection(scope.incState({ n: 1 }));
    expect(error).toMatchObject({ code: "MAILBOX_FULL", limit: 2, scope: scope.identity });
    wait.open();
    expect(await running).toBe(false);
    expect(await Promise.all(waiting)).toEqual([true, true]);
    expect(scope.state.n).toBe(2);
  });

  it("makes room again when a waiting caller leaves", async () => {
    const scope = createScope({ initial, mailboxLimit: 1 });
    const wait = gate();
    const running = scope.atomicState(() => wait.promise);
    const abort = new AbortController();
    const left = scope.incState({ n: 1 }, { signal: abort.signal });
    abort.abort(new Error("enough"));
    const next = scope.incState({ n: 10 });
    wait.open();
    expect(await rejection(left)).toMatchObject({ message: "enough" });
    await Promise.all([running, next]);
    expect(scope.state.n).toBe(10);
  });
});

describe("the fast path (semantics 2)", () => {
  it("applies every synchronous operation on an idle scope before the call returns", async () => {
    const scope = createScope({ initial });
    const calls: Promise<boolean>[] = [];
    const now = (call: Promise<boolean>): DeepReadonly<Bag> => {
      calls.push(call);
      return scope.state;
    };
    expect(now(scope.patchState({ n: 1 })).n).toBe(1);
    expect(now(scope.patchState("n", (n) => n + 1)).n).toBe(2);
    expect(now(scope.incState({ n: 3 })).n).toBe(5);
    expect(now(scope.pushState("list", 7)).list).toEqual([7]);
    expect(now(scope.setStateRecord("map", "a", 1)).map).toEqual({ a: 1 });
    expect(now(scope.deleteStateRecord("map", "a")).map).toEqual({});
    expect(now(scope.atomicState(({ n }) => ({ n: n + 1 }))).n).toBe(6);
    expect(now(scope.update((draft) => void (draft.n += 1))).n).toBe(7);
    expect(now(scope.setState({ n: 0, list: [], map: {} })).n).toBe(0);
    expect(scope.version).toBe(9);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([true]));
  });

  it("applies a mutation with options before the call returns too", () => {
    const scope = createScope({ initial });
    void scope.incState({ n: 1 }, { meta: { by: "test" }, timeoutMs: 10 });
    expect(scope.state.n).toBe(1);
  });

  it("is open again at once after a synchronous mutator", () => {
    const scope = createScope({ initial });
    void scope.atomicState(({ n }) => ({ n: n + 1 }));
    void scope.incState({ n: 1 });
    expect(scope.state.n).toBe(2);
  });
});

describe("asynchronous mutators (semantics 7)", () => {
  it("are awaited inside their turn, for atomicState, patchState and update", async () => {
    const scope = createScope({ initial });
    const calls = [
      scope.atomicState(async ({ n }) => {
        await settled();
        return { n: n + 1 };
      }),
      scope.patchState("n", async (n) => {
        await settled();
        return n + 1;
      }),
      scope.update(async (draft) => {
        await settled();
        draft.n += 1;
      }),
    ];
    await Promise.all(calls);
    expect(scope.state.n).toBe(3);
  });

  it("may be any thenable, also one that answers at once", async () => {
    const scope = createScope({ initial });
    // A thenable that is no promise calls back from inside `then`.
    // eslint-disable-next-line unicorn/no-thenable
    const thenable = { then: (resolve: (value: { n: number }) => void) => resolve({ n: 5 }) };
    const call = scope.atomicState(() => thenable as unknown as Promise<{ n: number }>);
    expect(await call).toBe(true);
    expect(scope.state.n).toBe(5);
  });

  it("see their attempt and a signal that is not aborted", async () => {
    const scope = createScope({ initial });
    let attempt = 0;
    let aborted = true;
    await scope.atomicState(async (_, turn) => {
      await settled();
      ({ attempt } = turn);
      ({ aborted } = turn.signal);
    });
    expect([attempt, aborted]).toEqual([1, false]);
  });

  it("run in the async context of their callers, also after waiting (N2)", async () => {
    const scope = createScope({ initial });
    const who = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const call = (name: string): Promise<boolean> =>
      who.run(name, () =>
        scope.atomicState(async () => {
          seen.push(who.getStore());
          await settled();
          seen.push(who.getStore());
        }),
      );
    await Promise.all([call("a"), call("b"), call("c")]);
    expect(seen).toEqual(["a", "a", "b", "b", "c", "c"]);
  });
});

describe("re-entrancy (semantics 7 and 14)", () => {
  it("refuses an awaited mutation of the same scope inside its mutator, with the chain", async () => {
    const scope = createScope({ initial, identity: { type: "t", id: "a" } });
    const error = await rejection(
      scope.atomicState(async () => {
        await scope.incState({ n: 1 });
      }),
    );
    expect(error).toMatchObject({ code: "REENTRANT_MUTATION", chain: ["t/a", "t/a"] });
    expect(scope.version).toBe(0);
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  it("refuses an un-awaited one too, in synchronous and asynchronous mutators", async () => {
    const scope = createScope({ initial });
    let inner: Promise<unknown> | undefined;
    await scope.atomicState(() => {
      inner = rejection(scope.incState({ n: 1 }));
      return { list: [1] };
    });
    expect(await inner).toMatchObject({ code: "REENTRANT_MUTATION" });
    await scope.atomicState(async () => {
      await settled();
      inner = rejection(scope.incState({ n: 1 }));
    });
    expect(await inner).toMatchObject({ code: "REENTRANT_MUTATION" });
    expect(scope.state).toEqual({ n: 0, list: [1], map: {} });
  });

  it("finds the chain A → B → A, also when B is busy and its mutator waited", async () => {
    const a = createScope({ initial, identity: { type: "t", id: "a" } });
    const b = createScope({ initial, identity: { type: "t", id: "b" } });
    const busy = gate();
    const holdsB = b.atomicState(() => busy.promise);
    const outer = a.atomicState(async () => {
      await b.atomicState(async () => {
        await a.incState({ n: 1 });
      });
    });
    await settled();
    busy.open();
    expect(await rejection(outer)).toMatchObject({
      code: "REENTRANT_MUTATION",
      chain: ["t/a", "t/b", "t/a"],
      scope: a.identity,
    });
    await holdsB;
  });

  it("lets a mutator use other scopes", async () => {
    const a = createScope({ initial });
    const b = createScope({ initial });
    await a.atomicState(async () => {
      await b.incState({ n: 1 });
      return { n: 1 };
    });
    expect([a.state.n, b.state.n]).toEqual([1, 1]);
  });

  it("lets code that a mutator left behind use the scope after the mutator ended (N1)", async () => {
    const scope = createScope({ initial });
    const later = gate();
    let left: Promise<boolean> | undefined;
    await scope.atomicState(() => {
      left = later.promise.then(() => scope.incState({ n: 1 }));
    });
    later.open();
    expect(await left).toBe(true);
  });

  it("does not take a caller outside for the mutator that happens to run", async () => {
    const scope = createScope({ initial });
    const wait = gate();
    const running = scope.atomicState(() => wait.promise);
    const outside = scope.incState({ n: 1 });
    wait.open();
    expect(await Promise.all([running, outside])).toEqual([false, true]);
  });

  it("lets a listener use a scope whose mutator set the announced change going", async () => {
    const a = createScope({ initial });
    const b = createScope({ initial });
    const calls: Promise<boolean>[] = [];
    b.subscribe(() => void calls.push(a.incState({ n: 1 })));
    await a.atomicState(async () => {
      await b.incState({ n: 1 });
    });
    expect(await Promise.all(calls)).toEqual([true]);
    expect(a.state.n).toBe(1);
  });
});

describe("a listener that mutates", () => {
  it("hears the events in order of versions, and nothing overlaps", async () => {
    const scope = createScope({ initial });
    const seen: StateChange<Bag>[] = [];
    const wait = gate();
    const calls: Promise<boolean>[] = [];
    scope.subscribe((change) => {
      seen.push(change);
      if (change.version !== 1) return;
      calls.push(scope.incState({ n: 1 }));
      calls.push(
        scope.atomicState(async ({ n }) => {
          await wait.promise;
          return { n: n + 100 };
        }),
      );
    });
    const first = scope.atomicState(({ n }) => ({ n: n + 1 }));
    const second = scope.incState({ n: 10 });
    wait.open();
    await Promise.all([first, second, ...calls]);
    expect(scope.state.n).toBe(112);
    expect(seen.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  });

  it("may stop the scope", async () => {
    const scope = createScope({ initial });
    scope.subscribe(() => void scope.stop());
    expect(await scope.atomicState(({ n }) => ({ n: n + 1 }))).toBe(true);
    expect(await rejection(scope.incState({ n: 1 }))).toMatchObject({ code: "SCOPE_STOPPED" });
  });
});
