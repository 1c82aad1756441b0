/** Callers who stop waiting, and scopes that are stopped, in every phase of a mutation. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../actors/time/clock.ts";
import type { MutationContext } from "../../../actors/protocol.ts";
import { createScope, type Scope, type ScopeOptions } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { type Bag, type Bench, durable } from "../../support/durable-bag.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

function inMemory(options: Partial<ScopeOptions<Bag>> = {}): Omit<Bench, "bridge"> {
  const clock = simulatedClock();
  return { scope: createScope<Bag>({ initial: { n: 0 }, clock, ...options }), clock };
}

const never = new Promise<never>(() => undefined);
const enough = new Error("enough");

describe("a timeout (semantics 6)", () => {
  it("drops a queued mutation, which never runs", async () => {
    const { scope, clock } = inMemory({ mutationTimeoutMs: 1_000 });
    const slow = gate<Bag>();
    const running = scope.atomicState(() => slow.promise, { timeoutMs: Infinity });
    let ran = false;
    const queued = rejection(
      scope.atomicState(() => {
        ran = true;
      }),
    );
    await clock.advance(999);
    expect(ran).toBe(false);
    await clock.advance(1);
    expect(await queued).toMatchObject({
      code: "SCOPE_MUTATION_TIMEOUT",
      timeoutMs: 1_000,
      phase: "queued",
      scope: scope.identity,
    });
    slow.open({ n: 1 });
    expect(await running).toBe(true);
    await settled();
    expect([ran, scope.version]).toEqual([false, 1]);
  });

  it("takes a running mutation's right to commit, aborts its signal and moves on", async () => {
    const { scope, clock } = inMemory({ mutationTimeoutMs: 100 });
    const late = gate<Bag>();
    let turn: MutationContext | undefined;
    const hung = rejection(
      scope.atomicState((_, given) => {
        turn = given;
        expect(given.signal.aborted).toBe(false);
        return late.promise;
      }),
    );
    const next = scope.atomicState(({ n }) => ({ n: n + 1 }), { timeoutMs: 500 });
    await clock.advance(100);
    const error = await hung;
    expect(error).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT", phase: "running" });
    expect(turn?.signal.reason).toBe(error);
    expect(await next).toBe(true);
    late.open({ n: 99 });
    await settled();
    expect([scope.state.n, scope.version]).toEqual([1, 1]);
  });

  it("ignores the late outcome also while another asynchronous mutator runs", async () => {
    const { scope, clock } = inMemory();
    const late = gate<Bag>();
    const slow = gate();
    const hung = rejection(scope.atomicState(() => late.promise, { timeoutMs: 10 }));
    const next = scope.atomicState(async ({ n }) => {
      await slow.promise;
      return { n: n + 1 };
    });
    await clock.advance(10);
    await hung;
    late.open({ n: 99 });
    await settled();
    expect(scope.state.n).toBe(0);
    const third = scope.incState({ n: 10 });
    slow.open();
    expect(await Promise.all([next, third])).toEqual([true, true]);
    expect([scope.state.n, scope.version]).toEqual([11, 2]);
  });

  it("cannot become an unhandled rejection when the late outcome is one", async () => {
    const { scope, clock } = inMemory();
    const late = gate<Bag>();
    const hung = rejection(scope.atomicState(() => late.promise, { timeoutMs: 10 }));
    await clock.advance(10);
    await hung;
    late.fail(new Error("late"));
    await settled();
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  for (const off of [0, -1, Infinity])
    it(`is off with ${off}, for the scope and for a call`, async () => {
      for (const [ofScope, ofCall] of [
        [off, undefined],
        [5, off],
      ]) {
        const { scope, clock } = inMemory({ mutationTimeoutMs: ofScope ?? 0 });
        const slow = gate<Bag>();
        const options = ofCall === undefined ? {} : { timeoutMs: ofCall };
        const call = scope.atomicState(() => slow.promise, options);
        await clock.advance(10_000_000);
        expect(clock.pending).toBe(0);
        slow.open({ n: 1 });
        expect(await call).toBe(true);
      }
    });

  it("is 30 seconds by default", async () => {
    const { scope, clock } = inMemory();
    let over = false;
    const call = rejection(scope.atomicState(() => never)).then(() => (over = true));
    await clock.advance(29_999);
    expect(over).toBe(false);
    await clock.advance(1);
    await call;
  });

  it("refuses NaN: at creation, and for a call", async () => {
    expect(() => inMemory({ mutationTimeoutMs: Number.NaN })).toThrow(RangeError);
    const { scope } = inMemory();
    const error = await rejection(scope.incState({ n: 1 }, { timeoutMs: Number.NaN }));
    expect(error).toBeInstanceOf(RangeError);
    expect(scope.version).toBe(0);
  });

  it("leaves a change applied but not yet saved out of the save", async () => {
    const { scope, bridge, clock } = durable();
    bridge.write({ n: 100 });
    const first = rejection(scope.incState({ n: 1 }, { timeoutMs: 5 }));
    const second = scope.incState({ n: 10 });
    await clock.advance(5); // The first save conflicted; its retry waits until 10 ms.
    expect(await first).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT", phase: "running" });
    await clock.advance(5);
    expect(await second).toBe(true);
    expect([bridge.stored?.state, scope.version]).toEqual([{ n: 110 }, 2]);
  });

  it("in flight is COMMIT_UNKNOWN for that caller, and the save goes on for the others", async () => {
    const { scope, bridge, clock } = durable();
    const confirm = gate();
    bridge.plan = () => confirm.promise.then(() => undefined);
    const first = rejection(scope.incState({ n: 1 }, { timeoutMs: 5 }));
    const second = scope.incState({ n: 10 });
    await clock.advance(5);
    expect(await first).toMatchObject({
      code: "COMMIT_UNKNOWN",
      cause: { code: "SCOPE_MUTATION_TIMEOUT" },
    });
    confirm.open();
    expect(await second).toBe(true);
    expect([scope.state.n, scope.version, bridge.loads]).toEqual([11, 2, 0]);
  });

  it("gives up a save that never answers once everybody is gone, and reads the store", async () => {
    const { scope, bridge, clock } = durable({ mutationTimeoutMs: 100 });
    const late = gate();
    bridge.plan = ({ next }, count) => {
      if (count > 1) return undefined;
      bridge.stored = { state: next ?? { n: -1 }, version: 2 };
      return late.promise.then(() => ({ ok: true as const, version: 2 }));
    };
    const calls = [scope.incState({ n: 1 }), scope.incState({ n: 1 })].map((each) =>
      rejection(each),
    );
    await settled();
    const next = scope.incState({ n: 10 }, { timeoutMs: 1_000 });
    await clock.advance(100);
    for (const error of await Promise.all(calls))
      expect(error).toMatchObject({ code: "COMMIT_UNKNOWN" });
    expect(await next).toBe(true);
    expect([scope.state.n, scope.version, bridge.loads]).toEqual([12, 3, 1]);
    late.open();
    await settled();
    expect([scope.state.n, scope.version]).toEqual([12, 3]);
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  it("gives up a save when all callers aborted, at the last of their deadlines", async () => {
    const { scope, bridge, clock } = durable({ mutationTimeoutMs: 100 });
    bridge.plan = (_, count) => (count === 1 ? never : undefined);
    const abort = new AbortController();
    const call = rejection(scope.incState({ n: 1 }, { signal: abort.signal }));
    await settled();
    abort.abort(enough);
    expect(await call).toMatchObject({ code: "COMMIT_UNKNOWN", cause: enough });
    const next = scope.incState({ n: 1 }, { timeoutMs: 1_000 });
    await clock.advance(100);
    expect(await next).toBe(true);
    expect(bridge.loads).toBe(1);
  });

  it("moves on from a read of the store that never answers", async () => {
    const { scope, bridge, clock } = durable({ mutationTimeoutMs: 100 });
    bridge.plan = (_, count) => (count === 1 ? never : undefined);
    const load = bridge.load?.bind(bridge);
    bridge.load = () => never;
    const first = rejection(scope.incState({ n: 1 }));
    await clock.advance(100);
    expect(await first).toMatchObject({ code: "COMMIT_UNKNOWN" });
    const second = rejection(scope.incState({ n: 1 }));
    await clock.advance(100);
    expect(await second).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT", phase: "queued" });
    if (load !== undefined) bridge.load = load;
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  it("of a delete in flight is COMMIT_UNKNOWN, and the store is read before the next", async () => {
    const { scope, bridge, clock } = durable();
    await scope.incState({ n: 1 });
    bridge.plan = (_, count) => {
      if (count !== 2) return undefined;
      bridge.stored = { state: undefined, version: 2 };
      return never;
    };
    const call = rejection(scope.delete({ timeoutMs: 5 }));
    await clock.advance(5);
    expect(await call).toMatchObject({ code: "COMMIT_UNKNOWN" });
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 1 }, version: 3 });
  });

  it("does not leave a scope waiting for an exclusive turn that is never given", async () => {
    const { scope, bridge, clock } = durable({
      mutationTimeoutMs: 50,
      cas: { maxRetries: 0, escalate: true },
    });
    bridge.exclusive = () => never;
    bridge.write({ n: 1 });
    const first = rejection(scope.incState({ n: 1 }));
    await settled();
    const second = scope.incState({ n: 1 }, { timeoutMs: 500 });
    await clock.advance(50);
    expect(await first).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
    expect(await second).toBe(true);
    expect(scope.state.n).toBe(2);
  });
});

describe("an abort", () => {
  it("before the call rejects with the reason, and nothing runs", async () => {
    const { scope } = inMemory();
    const call = scope.incState({ n: 1 }, { signal: AbortSignal.abort(enough) });
    expect(await rejection(call)).toBe(enough);
    expect(scope.state.n).toBe(0);
  });

  it("while queued and while running rejects with the reason", async () => {
    const { scope } = inMemory();
    const abort = new AbortController();
    const late = gate<Bag>();
    const { signal } = abort;
    const calls = [
      rejection(scope.atomicState(() => late.promise, { signal })),
      rejection(scope.incState({ n: 1 }, { signal })),
    ];
    const behind = scope.incState({ n: 5 });
    abort.abort(enough);
    expect(await Promise.all(calls)).toEqual([enough, enough]);
    expect(await behind).toBe(true);
    late.open({ n: 9 });
    await settled();
    expect([scope.state.n, scope.version]).toEqual([5, 1]);
  });

  it("by the mutator itself loses its turn, synchronous or not", async () => {
    for (const pause of [undefined, Promise.resolve()]) {
      const { scope } = inMemory();
      const abort = new AbortController();
      const call = scope.atomicState(
        () => {
          abort.abort(enough);
          return pause === undefined ? { n: 1 } : pause.then(() => ({ n: 1 }));
        },
        { signal: abort.signal },
      );
      expect(await rejection(call)).toBe(enough);
      await settled();
      expect(scope.version).toBe(0);
      expect(await scope.incState({ n: 1 })).toBe(true);
    }
  });

  it("after the answer does nothing", async () => {
    const { scope } = inMemory();
    const abort = new AbortController();
    expect(await scope.incState({ n: 1 }, { signal: abort.signal })).toBe(true);
    abort.abort(enough);
    expect(scope.state.n).toBe(1);
  });

  it("in any microtask of a save leaves no trace or is COMMIT_UNKNOWN", async () => {
    for (let after = 0; after < 60; after++) {
      const { scope, bridge, clock } = durable({ cas: { baseDelayMs: 1 } });
      if (after % 2 === 0) bridge.write({ n: 100 });
      const abort = new AbortController();
      const leaver = scope
        .incState({ n: 1 }, { signal: abort.signal })
        .catch((error: unknown) => error);
      const other = scope.atomicState(async ({ n }) => {
        await Promise.resolve();
        return { n: n + 10 };
      });
      const pending = clock.advance(5);
      for (let tick = 0; tick < after; tick++) await Promise.resolve();
      abort.abort(enough);
      await pending;
      await clock.advance(100);
      const end = await leaver;
      expect(await other).toBe(true);
      const base = after % 2 === 0 ? 110 : 10;
      if (end === enough) expect(scope.state.n, `tick ${after}`).toBe(base);
      else if (end === true) expect(scope.state.n, `tick ${after}`).toBe(base + 1);
      else expect(end).toMatchObject({ code: "COMMIT_UNKNOWN" });
      expect(bridge.stored?.state).toEqual(scope.state);
      expect(bridge.stored?.version).toBe(scope.version);
    }
  });

  it("while the round is worked out again is left out of what is sent", async () => {
    const { scope, bridge } = durable({ cas: { baseDelayMs: 0 }, clock: systemClock });
    bridge.write({ n: 100 });
    const abort = new AbortController();
    const again = gate();
    const isAgain = gate();
    const leaver = rejection(scope.incState({ n: 1 }, { signal: abort.signal }));
    const other = scope.atomicState(async ({ n }, { attempt }) => {
      if (attempt === 2) {
        isAgain.open();
        await again.promise;
      }
      return { n: n + 10 };
    });
    await isAgain.promise;
    abort.abort(enough);
    expect(await leaver).toBe(enough);
    again.open();
    expect(await other).toBe(true);
    expect([scope.state, bridge.stored]).toEqual([{ n: 110 }, { state: { n: 110 }, version: 2 }]);
  });

  it("of everybody in a round that is not sent yet sends nothing", async () => {
    const { scope, bridge } = durable();
    const abort = new AbortController();
    const call = rejection(scope.incState({ n: 1 }, { signal: abort.signal }));
    abort.abort(enough);
    expect(await call).toBe(enough);
    await settled();
    expect([bridge.saves.length, scope.state.n]).toEqual([0, 0]);
  });
});

describe("stop", () => {
  it("refuses who is queued and who runs, and everybody afterwards", async () => {
    const { scope } = inMemory();
    const late = gate<Bag>();
    let turn: MutationContext | undefined;
    const calls = [
      scope.atomicState((_, given) => {
        turn = given;
        return late.promise;
      }),
      scope.incState({ n: 1 }),
      scope.delete(),
      scope.refresh(),
    ].map((each) => rejection(each));
    await scope.stop();
    for (const error of await Promise.all(calls))
      expect(error).toMatchObject({ code: "SCOPE_STOPPED", scope: scope.identity });
    expect(turn?.signal.aborted).toBe(true);
    late.open({ n: 9 });
    await settled();
    expect(scope.state.n).toBe(0);
    for (const call of [
      scope.incState({ n: 1 }),
      scope.atomicState(() => ({ n: 1 })),
      scope.delete(),
      scope.refresh(),
    ])
      expect(await rejection(call)).toMatchObject({ code: "SCOPE_STOPPED" });
    await scope.stop();
  });

  it("waits for the save in flight also when a mutator that is told stops it again", async () => {
    const { scope, bridge } = durable();
    const answer = gate();
    bridge.plan = async () => {
      await answer.promise;
      return undefined;
    };
    const order: string[] = [];
    scope.subscribe(() => void order.push("event"));
    const saved = scope.incState({ n: 1 }).then(() => order.push("answered"));
    const running = rejection(
      scope.atomicState((_, turn) => {
        turn.signal.addEventListener("abort", () => void scope.stop());
        return gate<Bag>().promise;
      }),
    );
    while (bridge.saves.length === 0) await settled();
    const stopped = scope.stop().then(() => order.push("stopped"));
    await settled();
    answer.open();
    await Promise.all([saved, running, stopped]);
    expect(order).toEqual(["event", "answered", "stopped"]);
  });

  it("refuses who is applied but not saved", async () => {
    const { scope, bridge } = durable();
    const call = rejection(scope.incState({ n: 1 }));
    const stopped = scope.stop();
    expect(await call).toMatchObject({ code: "SCOPE_STOPPED" });
    await stopped;
    await settled();
    expect([bridge.saves.length, scope.state.n]).toEqual([0, 0]);
  });

  it("waits for a save in flight and lets it answer", async () => {
    const { scope, bridge } = durable();
    const confirm = gate();
    bridge.plan = () => confirm.promise.then(() => undefined);
    const first = scope.incState({ n: 1 });
    await settled();
    const second = rejection(scope.incState({ n: 1 }));
    let isStopped = false;
    const stopped = scope.stop().then(() => (isStopped = true));
    expect(await second).toMatchObject({ code: "SCOPE_STOPPED" });
    await settled();
    expect(isStopped).toBe(false);
    confirm.open();
    expect(await first).toBe(true);
    await stopped;
    expect([scope.state.n, scope.version]).toEqual([1, 1]);
  });

  it("refuses the callers of a save in flight that meets a conflict", async () => {
    const { scope, bridge } = durable();
    const confirm = gate();
    let runs = 0;
    bridge.plan = () => confirm.promise.then(() => (bridge.write({ n: 5 }), undefined));
    const call = rejection(
      scope.atomicState(() => {
        runs += 1;
        return { n: 1 };
      }),
    );
    await settled();
    const stopped = scope.stop();
    confirm.open();
    expect(await call).toMatchObject({ code: "SCOPE_STOPPED" });
    await stopped;
    expect([runs, bridge.saves.length, scope.state.n]).toEqual([1, 1, 5]);
  });

  it("ends the waiting between two attempts", async () => {
    const { scope, bridge } = durable({ cas: { baseDelayMs: 1_000_000 } });
    bridge.write({ n: 5 });
    const call = rejection(scope.incState({ n: 1 }));
    await settled();
    await scope.stop();
    expect(await call).toMatchObject({ code: "SCOPE_STOPPED" });
    expect(bridge.stored?.state).toEqual({ n: 5 });
  });

  it("refuses a mutator that runs again, or ahead of a save", async () => {
    for (const conflict of [true, false]) {
      const { scope, bridge } = durable();
      const confirm = gate();
      if (conflict) bridge.write({ n: 5 });
      else bridge.plan = () => confirm.promise.then(() => undefined);
      const plain = scope.incState({ n: 1 }).catch((error: unknown) => error);
      const slow = rejection(scope.atomicState(() => never));
      await settled();
      const stopped = scope.stop();
      confirm.open();
      expect(await slow).toMatchObject({ code: "SCOPE_STOPPED" });
      await stopped;
      await plain;
      expect(bridge.stored?.state).toEqual(scope.state);
    }
  });

  it("is told to whoever waits for the store to be read", async () => {
    const { scope, bridge, clock } = durable({ mutationTimeoutMs: 10 });
    bridge.plan = () => never;
    bridge.load = () => never;
    const first = rejection(scope.incState({ n: 1 }));
    await clock.advance(10);
    await first;
    const second = rejection(scope.incState({ n: 1 }));
    await settled();
    await scope.stop();
    expect(await second).toMatchObject({ code: "SCOPE_STOPPED" });
  });

  it("by a listener in the middle of a round lets all confirmed callers have their answers", async () => {
    const { scope } = durable();
    const versions: number[] = [];
    scope.subscribe(({ version }) => {
      versions.push(version);
      void scope.stop();
    });
    const calls = [scope.incState({ n: 1 }), scope.incState({ n: 1 }), scope.incState({ n: 1 })];
    expect(await Promise.all(calls)).toEqual([true, true, true]);
    expect(versions).toEqual([1, 2, 3]);
  });

  it("inside an own mutator ends it, awaited or not", async () => {
    const { scope } = inMemory();
    const call = rejection(
      scope.atomicState(async () => {
        await scope.stop();
        return { n: 1 };
      }),
    );
    expect(await call).toMatchObject({ code: "SCOPE_STOPPED" });
    const other = inMemory().scope;
    const second = rejection(
      other.atomicState(() => {
        void other.stop();
        return { n: 1 };
      }),
    );
    expect(await second).toMatchObject({ code: "SCOPE_STOPPED" });
    expect(other.state.n).toBe(0);
  });

  it("happens at the end of an await using block", async () => {
    let held: Scope<Bag> | undefined;
    {
      await using scope = createScope<Bag>({ initial: { n: 0 } });
      held = scope;
      await scope.incState({ n: 1 });
    }
    expect(await rejection(held.incState({ n: 1 }))).toMatchObject({ code: "SCOPE_STOPPED" });
  });
});
