/** The lock: one queue per container, in the words of the seed. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import {
  createScopeStateOps,
  createStateContainer,
  ReentrantMutationError,
  runWithCAS,
  ScopeMutationTimeoutError,
  withScopeLock,
} from "../../../../src/flow-state.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { CasStore, crank, settle } from "./cas-store.ts";

describe("withScopeLock", () => {
  it("serializes 100 concurrent mutators in submission order", async () => {
    const container = {};
    const log: number[] = [];
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        withScopeLock(container, async () => {
          await Promise.resolve();
          log.push(index);
        }),
      ),
    );
    expect(log).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it("does not serialize mutators on different containers", async () => {
    const inside = crank();
    const first = withScopeLock({}, () => inside.promise);
    expect(await withScopeLock({}, () => "other")).toBe("other");
    inside.resolve();
    await first;
  });

  it("a throwing mutator does not block subsequent mutators", async () => {
    const container = {};
    const first = withScopeLock(container, () => {
      throw new Error("boom");
    });
    const second = withScopeLock(container, async () => 42);
    await expect(first).rejects.toThrow("boom");
    expect(await second).toBe(42);
    expect(await withScopeLock(container, () => 43)).toBe(43);
  });

  it("times out a slow mutator with ScopeMutationTimeoutError and goes on", async () => {
    const clock = simulatedClock();
    const container = createStateContainer({ n: 0 }, 0, { clock });
    const ops = createScopeStateOps(container);
    const hung = crank();
    const signals: AbortSignal[] = [];
    const slow = withScopeLock(
      container,
      ({ signal }) => {
        signals.push(signal);
        return hung.promise;
      },
      { timeoutMs: 30 },
    );
    const next = ops.incState({ n: 1 });
    const refused = expect(slow).rejects.toMatchObject({
      name: "ScopeMutationTimeoutError",
      code: "SCOPE_MUTATION_TIMEOUT",
      timeoutMs: 30,
    });
    await clock.advance(40);
    await refused;
    expect(await next).toBe(true);
    expect(signals[0]?.aborted).toBe(true);
  });

  it("includes queue wait in the timeout budget, and drops what had not started", async () => {
    const clock = simulatedClock();
    const container = createStateContainer({ n: 0 }, 0, { clock });
    const blocker = crank();
    const first = withScopeLock(container, () => blocker.promise, { timeoutMs: Infinity });
    let isStarted = false;
    const queued = withScopeLock(container, () => (isStarted = true), { timeoutMs: 30 });
    const refused = expect(queued).rejects.toThrow(ScopeMutationTimeoutError);
    await clock.advance(40);
    await refused;
    blocker.resolve();
    await first;
    await settle();
    expect(isStarted).toBe(false);
  });

  it.each([Infinity, 0, -1])("a timeout of %s is none", async (timeoutMs) => {
    const clock = simulatedClock();
    const container = createStateContainer({ n: 0 }, 0, { clock });
    const body = crank<string>();
    const running = withScopeLock(container, () => body.promise, { timeoutMs });
    await clock.advance(100_000_000);
    body.resolve("done");
    expect(await running).toBe("done");
  });

  it("a NaN timeout is refused", async () => {
    await expect(withScopeLock({}, () => 1, { timeoutMs: Number.NaN })).rejects.toThrow(RangeError);
  });

  it("shares one queue with the container's ops", async () => {
    const container = createStateContainer({ log: [] as string[] });
    const ops = createScopeStateOps(container);
    const body = crank();
    const calls = [
      ops.pushState("log", "a"),
      withScopeLock(container, async () => {
        await body.promise;
        const { log } = container.read();
        container.commit({ log: [...log, "lock"] }, container.getVersion() + 1);
      }),
      ops.pushState("log", "b"),
    ];
    await settle();
    expect(container.read().log).toEqual(["a"]);
    body.resolve();
    await Promise.all(calls);
    expect(container.read().log).toEqual(["a", "lock", "b"]);
    expect(container.getVersion()).toBe(3);
  });

  it("an op of the same container inside is refused at once, of another it runs", async () => {
    const container = createStateContainer({ n: 0 });
    const other = createStateContainer({ n: 0 });
    const ops = createScopeStateOps(container);
    await withScopeLock(container, async () => {
      await expect(ops.incState({ n: 1 })).rejects.toThrow(ReentrantMutationError);
      await expect(withScopeLock(container, () => 1)).rejects.toThrow(ReentrantMutationError);
      expect(await createScopeStateOps(other).incState({ n: 1 })).toBe(true);
    });
    expect(await ops.incState({ n: 1 })).toBe(true);
  });

  it("a chain through another container is seen too", async () => {
    const [a, b] = [{}, {}];
    const chain = withScopeLock(a, () => withScopeLock(b, () => withScopeLock(a, () => 1)));
    await expect(chain).rejects.toThrow(ReentrantMutationError);
  });

  it("runWithCAS inside runs in the lock it is in, which is kept until it ends", async () => {
    const container = createStateContainer({ n: 0 });
    const store = new CasStore({ n: 0 });
    const mutator = ({ n }: { n: number }) => ({ n: n + 1 });
    const { persist } = store;
    const inside: Promise<unknown>[] = [];
    const lock = withScopeLock(container, async () => {
      await runWithCAS({ container, mutator, persist });
      inside.push(runWithCAS({ container, mutator, persist })); // Not waited for.
    });
    const next = createScopeStateOps(container, { persist }).incState({ n: 10 });
    await Promise.all([lock, next, ...inside]);
    expect(store.expected).toEqual([0, 1, 2]);
    expect(container.read()).toEqual({ n: 12 });
  });

  it("a body that lost its lock can commit nothing any more", async () => {
    const clock = simulatedClock();
    const container = createStateContainer({ n: 0 }, 0, { clock });
    const late = crank();
    const outcome = crank<unknown>();
    const { persist } = new CasStore({ n: 0 });
    const lock = withScopeLock(
      container,
      async () => {
        await late.promise;
        try {
          container.commit({ n: 99 }, 9);
        } catch (error) {
          outcome.resolve(error);
        }
        await runWithCAS({ container, mutator: () => ({ n: 98 }), persist });
      },
      { timeoutMs: 10 },
    );
    const refused = expect(lock).rejects.toThrow(ScopeMutationTimeoutError);
    await clock.advance(20);
    await refused;
    late.resolve();
    expect(await outcome.promise).toBeInstanceOf(ScopeMutationTimeoutError);
    await settle();
    expect([container.read(), container.getVersion()]).toEqual([{ n: 0 }, 0]);
  });

  it("a mutator inside a body is no body: it can neither commit nor run another change", async () => {
    const container = createStateContainer({ n: 0 });
    const other = createScopeStateOps(createStateContainer({ n: 0 }));
    const { persist } = new CasStore({ n: 0 });
    const commit = () => container.commit({ n: 5 }, 5);
    const nested = () => runWithCAS({ container, mutator: () => ({ n: 6 }), persist });
    await withScopeLock(container, async () => {
      const mutators = [commit, async () => (await nested()).state];
      for (const mutator of mutators)
        await expect(runWithCAS({ container, mutator, persist })).rejects.toThrow(
          ReentrantMutationError,
        );
      await expect(other.atomicState(commit)).rejects.toThrow(ReentrantMutationError);
    });
    expect(container.getVersion()).toBe(0);
  });

  it("a persist inside a body may use the container without being waited for", async () => {
    const container = createStateContainer({ n: 0 });
    const ops = createScopeStateOps(container);
    const later: Promise<boolean>[] = [];
    await withScopeLock(container, () =>
      runWithCAS({
        container,
        mutator: ({ n }) => ({ n: n + 1 }),
        persist: (_next, expected) => {
          later.push(ops.incState({ n: 10 }));
          return { ok: true, version: expected + 1 };
        },
      }),
    );
    expect(await Promise.all(later)).toEqual([true]);
    expect(container.read()).toEqual({ n: 11 });
  });

  it("code a body left behind queues like everybody else", async () => {
    const container = createStateContainer({ n: 0 });
    const store = new CasStore({ n: 0 });
    const { persist } = store;
    const ended = crank();
    const left: Promise<unknown>[] = [];
    await withScopeLock(container, () => {
      const mutator = ({ n }: { n: number }) => ({ n: n + 1 });
      const late = async (): Promise<unknown> => {
        await ended.promise;
        await createScopeStateOps(container, { persist }).incState({ n: 10 });
        return runWithCAS({ container, mutator, persist });
      };
      left.push(late());
    });
    ended.resolve();
    expect(await Promise.all(left)).toEqual([{ state: { n: 11 }, committed: true }]);
    expect(store.state).toEqual({ n: 11 });
  });

  it("the body runs in its caller's async context", async () => {
    const container = {};
    const storage = new AsyncLocalStorage<string>();
    const blocker = crank();
    const first = withScopeLock(container, () => blocker.promise);
    const second = storage.run("mine", () => withScopeLock(container, () => storage.getStore()));
    blocker.resolve();
    await first;
    expect(await second).toBe("mine");
  });
});
