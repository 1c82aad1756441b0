/** What went wrong upstream, each shown to be right here; numbers as in the behaviour study. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ConcurrentModificationError,
  createExecutionContext,
  createScopeStateOps,
  createStateContainer,
  isHoldfastError,
  ReentrantMutationError,
  runWithCAS,
  ScopeMutationTimeoutError,
  withScopeLock,
} from "../../../../src/flow-state.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { CasStore, crank, settle } from "./cas-store.ts";

interface Counter {
  n: number;
}
const plusOne = ({ n }: Counter): Counter => ({ n: n + 1 });
const FAST = { baseDelayMs: 0 };

describe("1: in-process fan-out", () => {
  it.each([1, 8, 16, 32, 100])("%i callers on one container all win", async (callers) => {
    const container = createStateContainer<Counter>({ n: 0 });
    const store = new CasStore<Counter>({ n: 0 });
    const { persist } = store;
    const made = Array.from({ length: callers }, () => createScopeStateOps(container, { persist }));
    const answers = await Promise.all(made.map((ops) => ops.atomicState(plusOne)));
    expect(answers).toEqual(made.map(() => true));
    expect([store.state, store.version, store.saves]).toEqual([{ n: callers }, callers, callers]);
  });

  it("100 contexts on one record: 100 of 100", async () => {
    await using first = await createExecutionContext({ userId: "u" });
    const { runtime } = first;
    const contexts = await Promise.all(
      Array.from({ length: 100 }, () => createExecutionContext({ runtime, userId: "u" })),
    );
    const answers = await Promise.all(
      contexts.map(({ user }) => user.atomicState(({ n }) => ({ n: Number(n ?? 0) + 1 }))),
    );
    expect(answers.filter(Boolean)).toHaveLength(100);
    expect([first.user.state, first.user.version]).toEqual([{ n: 100 }, 100]);
  });

  it("100 runWithCAS calls on one container lose nothing", async () => {
    const container = createStateContainer<Counter>({ n: 0 });
    const store = new CasStore<Counter>({ n: 0 });
    const { persist } = store;
    await Promise.all(
      Array.from({ length: 100 }, () => runWithCAS({ container, mutator: plusOne, persist })),
    );
    expect([store.state, store.saves]).toEqual([{ n: 100 }, 100]);
  });

  it("8 containers on one store: a save within the budget, or ConcurrentModificationError", async () => {
    const store = new CasStore<Counter>({ n: 0 });
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const container = createStateContainer<Counter>({ n: 0 });
        let saves = 0;
        const ops = createScopeStateOps<Counter>(container, {
          cas: { maxRetries: 3, ...FAST },
          persist(next, expected, hint) {
            saves += 1;
            return store.persist(next, expected, hint);
          },
        });
        const error: unknown = await ops.atomicState(plusOne).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        return { saves, error };
      }),
    );
    const won = outcomes.filter(({ error }) => error === null);
    const lost = outcomes.filter(({ error }) => error !== null);
    expect(won.length).toBeGreaterThanOrEqual(4); // The winner of each of four attempts, at least.
    for (const { saves } of outcomes) expect(saves).toBeLessThanOrEqual(4);
    for (const { saves, error } of lost) {
      expect(saves).toBe(4);
      expect(error).toBeInstanceOf(ConcurrentModificationError);
      expect(error).toMatchObject({ attempts: 4 });
    }
    expect([store.state, store.version]).toEqual([{ n: won.length }, won.length]);
  });
});

describe("2: event versions", () => {
  it.each(["the lock path", "the CAS path"])("six at once report 1 to 6: %s", async (path) => {
    const container = createStateContainer<Counter>({ n: 0 });
    const { persist } = new CasStore<Counter>({ n: 0 });
    const ops = createScopeStateOps(container, path === "the CAS path" ? { persist } : {});
    const events: [number, unknown][] = [];
    container.subscribe(({ version, delta }) => events.push([version, delta]));
    await Promise.all(Array.from({ length: 6 }, () => ops.incState({ n: 1 })));
    expect(events).toEqual([1, 2, 3, 4, 5, 6].map((version) => [version, { n: 1 }]));
  });
});

describe("3: the container never goes back", () => {
  it("a slow answer of a caller who left does not undo a newer state", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    const store = new CasStore<Counter>({ n: 0 });
    const slowAnswer = crank();
    let calls = 0;
    const ops = createScopeStateOps<Counter>(container, {
      cas: FAST,
      async persist(next, expected, hint) {
        const answer = await store.persist(next, expected, hint);
        calls += 1;
        if (calls === 1) await slowAnswer.promise;
        return answer;
      },
    });
    const first = ops.incState({ n: 1 }, { timeoutMs: 20 });
    const refused = expect(first).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    await clock.advance(30);
    await refused;
    const second = ops.incState({ n: 1 });
    for (let step = 0; step < 5; step += 1) await clock.advance(1);
    expect(await second).toBe(true);
    slowAnswer.resolve();
    await settle();
    expect([container.read(), container.getVersion()]).toEqual([{ n: 2 }, 2]);
  });
});

describe("4: a deleted record", () => {
  it("is not resurrected with the state it had", async () => {
    const container = createStateContainer<Counter & { secret?: string }>({ n: 0 });
    container.commit({ n: 41, secret: "old" }, 7);
    const store = new CasStore<Counter & { secret?: string }>(undefined, 0);
    const ops = createScopeStateOps(container, { persist: store.persist, cas: FAST });
    expect(await ops.incState({ n: 1 })).toBe(true);
    expect(store.state).toEqual({ n: 1 });
    expect([container.read(), container.getVersion()]).toEqual([{ n: 1 }, 1]);
  });
});

describe("5: a timeout is a cancellation", () => {
  it("the running mutator cannot commit any more, the queued one never runs", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    const ops = createScopeStateOps(container, { mutationTimeoutMs: 30 });
    const work = crank();
    const signals: AbortSignal[] = [];
    let isQueuedRun = false;
    const slow = ops.atomicState(async ({ n }, { signal }) => {
      signals.push(signal);
      await work.promise;
      return { n: n + 1 };
    });
    const queued = ops.atomicState(({ n }) => {
      isQueuedRun = true;
      return { n: n + 10 };
    });
    const refused = Promise.all([
      expect(slow).rejects.toMatchObject({ phase: "running", timeoutMs: 30 }),
      expect(queued).rejects.toMatchObject({ phase: "queued" }),
    ]);
    await clock.advance(40);
    await refused;
    work.resolve();
    await clock.advance(150);
    expect([container.read(), container.getVersion()]).toEqual([{ n: 0 }, 0]);
    expect([isQueuedRun, signals[0]?.aborted]).toEqual([false, true]);
    expect(await ops.incState({ n: 1 })).toBe(true); // A retry counts once.
    expect(container.read()).toEqual({ n: 1 });
  });

  it("a hung mutator does not wedge the container", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    const ops = createScopeStateOps(container);
    const hung = ops.atomicState(() => new Promise<Counter>(() => undefined));
    const refused = expect(hung).rejects.toThrow(ScopeMutationTimeoutError);
    await clock.advance(29_999);
    const next = ops.incState({ n: 1 });
    await clock.advance(1);
    await refused;
    expect(await next).toBe(true);
  });
});

describe("6: silent losses", () => {
  it("an async atomicState mutator is awaited, in its turn", async () => {
    const container = createStateContainer<Counter>({ n: 0 });
    const ops = createScopeStateOps(container);
    const gate = crank();
    const first = ops.atomicState(async ({ n }) => {
      await gate.promise;
      return { n: n + 1 };
    });
    const second = ops.atomicState(async (state) => plusOne(state));
    gate.resolve();
    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(container.read()).toEqual({ n: 2 });
  });

  it("in-place mutation of what a mutator gets throws instead of changing memory only", async () => {
    const container = createStateContainer({ list: [1] });
    const ops = createScopeStateOps(container);
    const wrong = ops.atomicState((state) => {
      (state.list as number[]).push(2);
      return state;
    });
    await expect(wrong).rejects.toThrow(TypeError);
    expect([container.read(), container.getVersion()]).toEqual([{ list: [1] }, 0]);
  });

  it("a push another writer got in before is not lost to a false", async () => {
    const container = createStateContainer<{ log: string[] }>({ log: [] });
    const store = new CasStore({ log: ["theirs"] }, 1);
    const ops = createScopeStateOps(container, { persist: store.persist, cas: FAST });
    expect(await ops.pushState("log", "ours")).toBe(true);
    expect(store.state).toEqual({ log: ["theirs", "ours"] });
  });
});

describe("7: re-entrancy", () => {
  it("is refused at once, with the chain in the error", async () => {
    const container = createStateContainer<Counter>({ n: 0 }, 0, {
      identity: { type: "request", id: "r1" },
    });
    const ops = createScopeStateOps(container);
    const outer = ops.atomicState(async (state) => {
      await ops.incState({ n: 1 });
      return plusOne(state);
    });
    const error: unknown = await outer.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ReentrantMutationError);
    expect(error).toMatchObject({ chain: ["request/r1", "request/r1"] });
    expect(container.getVersion()).toBe(0);
  });
});

describe("8: aliasing", () => {
  it.each(["the lock path", "the CAS path"])(
    "nothing is shared with the caller: %s",
    async (path) => {
      const container = createStateContainer<{ list: { a: number }[] }>({ list: [] });
      const { persist } = new CasStore<{ list: { a: number }[] }>({ list: [] });
      const ops = createScopeStateOps(container, path === "the CAS path" ? { persist } : {});
      const value = { a: 1 };
      const pushed = ops.pushState("list", value);
      value.a = 2; // After the call: arguments are copied when it is made.
      await pushed;
      value.a = 3;
      expect(container.read()).toEqual({ list: [{ a: 1 }] });
      expect(Object.isFrozen(value)).toBe(false);
    },
  );
});

describe("11: values that would be destroyed", () => {
  it("an inc, a push and a record op on another type are typed errors", async () => {
    const container = createStateContainer<Record<string, unknown>>({ n: "abc", l: "x", m: [1] });
    const ops = createScopeStateOps(container) as unknown as {
      incState(increments: object): Promise<boolean>;
      pushState(field: string, value: unknown): Promise<boolean>;
      setStateRecord(field: string, key: string, value: unknown): Promise<boolean>;
    };
    const calls = [ops.incState({ n: 1 }), ops.pushState("l", 1), ops.setStateRecord("m", "k", 1)];
    const errors = await Promise.all(calls.map((call) => call.catch((thrown: unknown) => thrown)));
    expect(errors.map((error) => isHoldfastError(error, "STATE_TYPE"))).toEqual([true, true, true]);
    expect(container.read()).toEqual({ n: "abc", l: "x", m: [1] });
  });
});

describe("12: a listener's failure harms no commit", () => {
  it("the op still answers true", async () => {
    const errors: string[] = [];
    const logger = { warn: () => undefined, error: (message: string) => void errors.push(message) };
    const container = createStateContainer<Counter>({ n: 0 }, 0, { logger });
    container.subscribe(() => {
      throw new Error("listener");
    });
    expect(await createScopeStateOps(container).incState({ n: 1 })).toBe(true);
    expect(errors).toHaveLength(1);
  });
});

describe("any mix of callers", () => {
  it("loses nothing and repeats nothing", async () => {
    const kinds = ["op", "cas", "lock", "saved"] as const;
    const step = fc.constantFrom(...kinds);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const container = createStateContainer<Counter>({ n: 0 });
        const { persist } = new CasStore<Counter>({ n: 0 });
        const always: typeof persist = (_next, expected) => ({ ok: true, version: expected + 1 });
        const plain = createScopeStateOps(container);
        const saved = createScopeStateOps(container, { persist: always });
        const calls: Record<(typeof kinds)[number], () => Promise<unknown>> = {
          op: () => plain.incState({ n: 1 }),
          saved: () => saved.incState({ n: 1 }),
          cas: () => runWithCAS({ container, mutator: plusOne, persist: always }),
          lock: () =>
            withScopeLock(container, async () => {
              const next = plusOne(container.read());
              await settle();
              container.commit(next, container.getVersion() + 1);
            }),
        };
        await Promise.all(steps.map((name) => calls[name]()));
        expect([container.read().n, container.getVersion()]).toEqual([steps.length, steps.length]);
      }),
      { numRuns: process.env["TEST_SCALE"] === "nightly" ? 1_000 : 60 },
    );
  });
});
