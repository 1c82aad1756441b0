/** Saving: the compare-and-set loop, intent hints, conflicts, and callers of one process. */
import { describe, expect, it } from "vitest";
import {
  CommitUnknownError,
  ConcurrentModificationError,
  createScopeStateOps,
  createStateContainer,
  isCommutativeHint,
  ReentrantMutationError,
  runWithCAS,
  ScopeMutationTimeoutError,
  StoreContractError,
  type CASMutationHint,
  type CASPersist,
} from "../../../../src/flow-state.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { CasStore, crank, settle } from "./cas-store.ts";

interface Counter {
  n: number;
}
interface Demo {
  count: number;
  list: string[];
  bag: Record<string, number>;
  mode: string;
  score?: number;
}
const FAST = { cas: { baseDelayMs: 0 } };
const plusOne = ({ n }: Counter): Counter => ({ n: n + 1 });
const accepts: CASPersist<Demo> = (_next, expected) => ({ ok: true, version: expected + 1 });
const demo = (): Demo => ({ count: 5, list: ["a"], bag: { x: 1 }, mode: "idle" });

/** One op that always changes something, with or without what it returns. */
const bump = (container: ReturnType<typeof counter>, store: CasStore<Counter>): Promise<boolean> =>
  createScopeStateOps(container, { persist: store.persist, ...FAST }).atomicState(plusOne);

function counter(version = 0) {
  return createStateContainer<Counter>({ n: 0 }, version);
}

describe("runWithCAS", () => {
  it("retries on a persist conflict, on the store's state", async () => {
    const container = counter();
    const store = new CasStore<Counter>({ n: 99 }, 1);
    const seen: number[] = [];
    const result = await runWithCAS({
      container,
      mutator: async (state, turn) => {
        seen.push(state.n, turn.attempt);
        return plusOne(state);
      },
      persist: store.persist,
      options: { maxRetries: 3, baseDelayMs: 0 },
    });
    expect(result).toEqual({ state: { n: 100 }, committed: true });
    expect(container.getVersion()).toBe(2);
    expect(seen).toEqual([0, 1, 99, 2]);
  });

  it("takes the store's version", async () => {
    const container = counter(3);
    const persist: CASPersist<Counter> = (_next, expected) => ({ ok: true, version: expected + 7 });
    await runWithCAS({ container, mutator: plusOne, persist });
    expect(container.getVersion()).toBe(10);
  });

  it("takes the store's record when the answer has one", async () => {
    const container = counter();
    const persist: CASPersist<Counter> = () => ({ ok: true, version: 4, record: { n: 40 } });
    const result = await runWithCAS({ container, mutator: plusOne, persist });
    expect(result).toEqual({ state: { n: 40 }, committed: true });
    expect(container.read()).toEqual({ n: 40 });
  });

  it("answers committed: false for an equal state and does not persist", async () => {
    const container = counter();
    const { persist, hints } = new CasStore<Counter>({ n: 0 });
    const result = await runWithCAS({ container, mutator: (state) => ({ ...state }), persist });
    expect(result).toEqual({ state: { n: 0 }, committed: false });
    expect(hints).toEqual([]);
  });

  it("decides a no-op per attempt: what somebody else wrote already is not written again", async () => {
    const container = counter();
    const store = new CasStore<Counter>({ n: 7 }, 1);
    const { persist } = store;
    const options = { baseDelayMs: 0 };
    const result = await runWithCAS({ container, mutator: () => ({ n: 7 }), persist, options });
    expect(result).toEqual({ state: { n: 7 }, committed: false });
    expect(store.saves).toBe(1);
    expect(container.getVersion()).toBe(1);
  });

  it.each([
    ["default retries", {}, 4],
    ["one retry", { maxRetries: 1 }, 2],
    ["no retry", { maxRetries: 0 }, 1],
    ["negative retries, which count as 0", { maxRetries: -5 }, 1],
    ["1.5 retries, which count as 1", { maxRetries: 1.5 }, 2],
  ])("throws ConcurrentModificationError when %s are exhausted", async (_name, cas, attempts) => {
    const container = counter();
    let saves = 0;
    const persist: CASPersist<Counter> = () => {
      saves += 1;
      return { ok: false, currentState: { n: 1 }, currentVersion: 9 };
    };
    const running = runWithCAS({
      container,
      mutator: plusOne,
      persist,
      options: { baseDelayMs: 0, ...cas },
    });
    await expect(running).rejects.toMatchObject({
      name: "ConcurrentModificationError",
      code: "CONCURRENT_MODIFICATION",
      attempts,
    });
    expect(saves).toBe(attempts);
    expect([container.read(), container.getVersion()]).toEqual([{ n: 1 }, 9]);
  });

  it("waits 10, 20 and 40 ms between attempts", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    const times: number[] = [];
    const persist: CASPersist<Counter> = () => {
      times.push(clock.now());
      return { ok: false, currentState: { n: 0 }, currentVersion: 1 };
    };
    const running = runWithCAS({ container, mutator: plusOne, persist });
    const refused = expect(running).rejects.toThrow(ConcurrentModificationError);
    await clock.advance(1_000);
    await refused;
    expect(times).toEqual([0, 10, 30, 70]);
  });

  it("does not retry a persist that throws, and leaves the container untouched", async () => {
    const container = counter(2);
    let saves = 0;
    const persist: CASPersist<Counter> = async () => {
      saves += 1;
      throw new Error("disk full");
    };
    await expect(runWithCAS({ container, mutator: plusOne, persist })).rejects.toThrow("disk full");
    expect([saves, container.read(), container.getVersion()]).toEqual([1, { n: 0 }, 2]);
  });

  it.each([
    ["nothing", undefined],
    ["no version", { ok: true }],
    ["NaN", { ok: true, version: Number.NaN }],
    ["a conflict without a version", { ok: false, currentState: { n: 1 } }],
    ["a state that is none", { ok: false, currentState: 5, currentVersion: 1 }],
  ])("refuses an answer that is %s", async (_name, answer) => {
    const container = counter();
    const persist = (() => answer) as unknown as CASPersist<Counter>;
    const running = runWithCAS({ container, mutator: plusOne, persist });
    await expect(running).rejects.toThrow(StoreContractError);
    expect(container.getVersion()).toBe(0);
  });

  it("understands a conflict told as current: { state, version }", async () => {
    const container = counter();
    const answers = [{ ok: false, current: { state: { n: 5 }, version: 3 } } as const];
    const persist: CASPersist<Counter> = (_next, expected) =>
      answers.pop() ?? { ok: true, version: expected + 1 };
    const options = { baseDelayMs: 0 };
    const result = await runWithCAS({ container, mutator: plusOne, persist, options });
    expect(result.state).toEqual({ n: 6 });
    expect(container.getVersion()).toBe(4);
  });

  it("NaN options are refused", async () => {
    const { persist } = new CasStore<Counter>({ n: 0 });
    for (const options of [{ maxRetries: Number.NaN }, { timeoutMs: Number.NaN }])
      await expect(
        runWithCAS({ container: counter(), mutator: plusOne, persist, options }),
      ).rejects.toThrow(RangeError);
  });

  it("gives persist a frozen state, the expected version and the hint", async () => {
    const container = counter(4);
    const given: unknown[] = [];
    const persist: CASPersist<Counter> = (next, expected, hint) => {
      given.push(Object.isFrozen(next), next, expected, hint);
      return { ok: true, version: expected + 1 };
    };
    const hint = { kind: "patchField", path: ["n"], commutative: false } as const;
    await runWithCAS({ container, mutator: plusOne, persist });
    await runWithCAS({ container, mutator: plusOne, persist, hint });
    expect(given).toEqual([true, { n: 1 }, 4, { kind: "set" }, true, { n: 2 }, 5, hint]);
  });
});

describe("the ops with persist", () => {
  it("applies the canonical operations, one persist and one version each", async () => {
    const container = createStateContainer<Demo>({
      count: 0,
      list: [],
      bag: { a: 1 },
      mode: "idle",
    });
    const store = new CasStore<Demo>(container.read());
    const ops = createScopeStateOps(container, { persist: store.persist });
    await ops.patchState({ mode: "running" });
    await ops.patchState("count", (current) => current + 2);
    await ops.incState({ count: 3, score: 1 });
    await ops.pushState("list", "first");
    await ops.setStateRecord("bag", "b", 2);
    await ops.deleteStateRecord("bag", "a");
    await ops.atomicState((state) => ({ count: state.count + 1 }));
    const after = { count: 6, list: ["first"], bag: { b: 2 }, mode: "running", score: 1 };
    expect(container.read()).toEqual(after);
    expect(store.state).toEqual(after);
    expect([store.saves, store.version, container.getVersion()]).toEqual([7, 7, 7]);
  });

  it("no-op writes return false and skip persist and version", async () => {
    const container = createStateContainer(demo());
    const store = new CasStore(demo());
    const ops = createScopeStateOps(container, { persist: store.persist });
    expect(
      await Promise.all([
        ops.patchState({ count: 5 }),
        ops.patchState("count", (count) => count),
        ops.setState(demo()),
        ops.incState({ count: 0 }),
        ops.setStateRecord("bag", "x", 1),
        ops.deleteStateRecord("bag", "missing"),
        ops.atomicState((state) => ({ count: state.count })),
      ]),
    ).toEqual(Array.from({ length: 7 }, () => false));
    expect([store.saves, container.getVersion()]).toEqual([0, 0]);
  });

  it("one persist per change: nothing is folded, nothing conflicts", async () => {
    const container = counter();
    const store = new CasStore<Counter>({ n: 0 });
    await Promise.all(Array.from({ length: 20 }, () => bump(container, store)));
    expect(store.expected).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(store.state).toEqual({ n: 20 });
  });

  const hints: [string, (ops: ReturnType<typeof demoOps>) => Promise<boolean>, CASMutationHint][] =
    [
      [
        "a one-key patch",
        (o) => o.patchState({ count: 1 }),
        { kind: "patchField", path: ["count"], commutative: true },
      ],
      [
        "a keyed updater",
        (o) => o.patchState("count", () => 1),
        { kind: "patchField", path: ["count"], commutative: false },
      ],
      [
        "a one-key inc",
        (o) => o.incState({ count: 3 }),
        { kind: "incField", path: ["count"], delta: 3 },
      ],
      [
        "a push",
        (o) => o.pushState("list", "b"),
        { kind: "pushToArray", path: ["list"], values: ["b"] },
      ],
      ["a multi-key patch", (o) => o.patchState({ count: 1, mode: "x" }), { kind: "set" }],
      ["a multi-key inc", (o) => o.incState({ count: 1, score: 1 }), { kind: "set" }],
      ["setState", (o) => o.setState({ ...demo(), count: 1 }), { kind: "set" }],
      ["atomicState", (o) => o.atomicState(() => ({ count: 1 })), { kind: "set" }],
      [
        "setStateRecord",
        (o) => o.setStateRecord("bag", "y.z", 1),
        { kind: "patchField", path: ["bag", "y.z"], commutative: true },
      ],
      [
        "deleteStateRecord",
        (o) => o.deleteStateRecord("bag", "x"),
        { kind: "deleteField", path: ["bag", "x"] },
      ],
    ];

  function demoOps(persist: CASPersist<Demo>) {
    return createScopeStateOps(createStateContainer(demo()), { persist });
  }

  it.each(hints)("the hint of %s", async (_name, call, hint) => {
    const given: unknown[] = [];
    await call(
      demoOps((next, expected, intent) => {
        given.push(intent);
        return accepts(next, expected, intent);
      }),
    );
    expect(given).toEqual([hint]);
    const readsNothing = !["a keyed updater", "setState", "atomicState"].includes(_name);
    expect(isCommutativeHint(hint)).toBe(readsNothing && !_name.startsWith("a multi-key"));
  });

  it("a store may apply a commutative hint to what it holds, and answers with its record", async () => {
    const held = {
      count: 40,
      bag: new Map([
        ["x", 1],
        ["other", 2],
      ]),
    }; // Others wrote meanwhile.
    let version = 7;
    const persist: CASPersist<Demo> = (next, _expected, hint) => {
      if (!isCommutativeHint(hint)) throw new Error(`not to be applied: ${hint.kind}`);
      if (hint.kind === "incField") held.count += hint.delta;
      if (hint.kind === "deleteField") held.bag.delete(hint.path[1]);
      if (hint.kind === "patchField") {
        const [, key = ""] = hint.path;
        held.bag.set(key, Number(Object(next.bag)[key]));
      }
      version += 1;
      const record = { ...demo(), count: held.count, bag: Object.fromEntries(held.bag) };
      return { ok: true, version, record };
    };
    const container = createStateContainer(demo());
    const ops = createScopeStateOps(container, { persist });
    await ops.setStateRecord("bag", "y", 5);
    await ops.deleteStateRecord("bag", "x");
    await ops.incState({ count: 2 });
    expect(container.read()).toEqual({ ...demo(), count: 42, bag: { other: 2, y: 5 } });
    expect(container.getVersion()).toBe(10);
  });

  it("the delta of an inc is the same on every retry", async () => {
    const container = counter();
    const store = new CasStore<Counter>({ n: 10 }, 1);
    const ops = createScopeStateOps(container, { persist: store.persist, ...FAST });
    await ops.incState({ n: 5 });
    expect(store.hints).toEqual(
      Array.from({ length: 2 }, () => ({ kind: "incField", path: ["n"], delta: 5 })),
    );
    expect(store.state).toEqual({ n: 15 });
  });

  it("ops with different stores and none share the container's queue", async () => {
    const container = counter();
    const first = new CasStore<Counter>({ n: 0 });
    const slow = crank();
    first.delay = () => slow.promise;
    const order: number[] = [];
    container.subscribe(({ version }) => order.push(version, container.read().n));
    const saved = bump(container, first);
    const locked = createScopeStateOps(container).incState({ n: 10 });
    const persist: CASPersist<Counter> = () => ({ ok: true, version: 8 });
    const looped = runWithCAS({ container, mutator: plusOne, persist });
    await settle();
    expect(container.read()).toEqual({ n: 0 });
    slow.resolve();
    expect(await Promise.all([saved, locked])).toEqual([true, true]);
    expect((await looped).state).toEqual({ n: 12 });
    expect(order).toEqual([1, 1, 2, 11, 8, 12]);
  });

  it("a mutator that asks for the same container is refused at once", async () => {
    const container = counter();
    const { persist } = new CasStore<Counter>({ n: 0 });
    const ops = createScopeStateOps(container, { persist });
    const outer = ops.atomicState(async ({ n }) => {
      await ops.incState({ n: 1 });
      return { n: n + 1 };
    });
    await expect(outer).rejects.toThrow(ReentrantMutationError);
    const nested = runWithCAS({
      container,
      mutator: async (state) =>
        (await runWithCAS({ container, mutator: plusOne, persist })).state ?? state,
      persist,
    });
    await expect(nested).rejects.toThrow(ReentrantMutationError);
    expect(await ops.incState({ n: 1 })).toBe(true);
  });

  it("a persist function may use the container without being waited for", async () => {
    const container = counter();
    const store = new CasStore<Counter>({ n: 0 });
    const later: Promise<boolean>[] = [];
    const ops = createScopeStateOps(container, {
      persist: (next, expected, hint) => {
        if (expected === 0) later.push(ops.incState({ n: 10 }));
        return store.persist(next, expected, hint);
      },
    });
    await ops.incState({ n: 1 });
    expect(await Promise.all(later)).toEqual([true]);
    expect(store.state).toEqual({ n: 11 });
  });
});

describe("time", () => {
  it("a caller who leaves while its save is on the way cannot know its outcome", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    const store = new CasStore<Counter>({ n: 0 });
    const slow = crank();
    store.delay = () => slow.promise;
    const ops = createScopeStateOps(container, {
      persist: store.persist,
      mutationTimeoutMs: 50,
      ...FAST,
    });
    const lost = expect(ops.incState({ n: 1 })).rejects.toThrow(CommitUnknownError);
    await clock.advance(60);
    await lost;
    store.delay = settle;
    const next = ops.incState({ n: 1 });
    slow.resolve(); // The first save lands after all, late.
    for (let step = 0; step < 5; step += 1) await clock.advance(1);
    expect(await next).toBe(true);
    expect(store.state).toEqual({ n: 2 });
    expect([container.read(), container.getVersion()]).toEqual([{ n: 2 }, 2]);
  });

  it("the wait between attempts ends with the turn", async () => {
    const clock = simulatedClock();
    const container = createStateContainer<Counter>({ n: 0 }, 0, { clock });
    let saves = 0;
    const persist: CASPersist<Counter> = () => {
      saves += 1;
      return { ok: false, currentState: { n: 0 }, currentVersion: 1 };
    };
    const ops = createScopeStateOps(container, {
      persist,
      cas: { baseDelayMs: 1_000 },
      mutationTimeoutMs: 50,
    });
    const lost = expect(ops.incState({ n: 1 })).rejects.toThrow(ScopeMutationTimeoutError);
    await clock.advance(60);
    await lost;
    expect(clock.pending).toBe(0); // Nothing waits for the end of the backoff.
    await clock.advance(10_000);
    expect(saves).toBe(1);
  });
});

describe("reread", () => {
  /** A container that is behind its store, or just as far. */
  function start(stored: Counter, version: number) {
    const container = createStateContainer<Counter>({ n: 0 }, 1);
    const store = new CasStore<Counter>(stored, version);
    let rereads = 0;
    const reread = async () => {
      rereads += 1;
      await settle();
      return store.state === undefined ? undefined : { state: store.state, version: store.version };
    };
    const parts = { container, persist: store.persist, reread, options: { baseDelayMs: 0 } };
    return { ...parts, parts, store, rereads: () => rereads };
  }

  it("confirms what saves nothing, and costs no persist", async () => {
    const { parts, store, rereads } = start({ n: 0 }, 1);
    const result = await runWithCAS({ ...parts, mutator: () => ({ n: 0 }) });
    expect(result).toEqual({ state: { n: 0 }, committed: false });
    expect([rereads(), store.saves]).toEqual([1, 0]);
  });

  it("runs the mutator again on what is stored when the container is behind", async () => {
    const { parts, container, store } = start({ n: 5 }, 7);
    const seen: number[] = [];
    const restore = ({ n }: Readonly<Counter>): Counter => {
      seen.push(n);
      return { n: 0 }; // Equal to the outdated copy: it looks as if there were nothing to do.
    };
    expect(await runWithCAS({ ...parts, mutator: restore })).toEqual({
      state: { n: 0 },
      committed: true,
    });
    expect([seen, store.state, store.version]).toEqual([[0, 5], { n: 0 }, 8]);
    expect(container.getVersion()).toBe(8);
    store.write({ n: 3 });
    const { persist, reread } = parts;
    const ops = createScopeStateOps(container, { persist, reread, ...FAST });
    expect(await ops.patchState({ n: 0 })).toBe(true);
    store.write({ n: 3 });
    expect(await ops.patchState({ n: 3 })).toBe(false); // 0 became 3 elsewhere.
  });

  it("lets no guard throw on a state that was replaced", async () => {
    const { parts, store } = start({ n: 10 }, 2);
    const spend = ({ n }: Readonly<Counter>): Counter => {
      if (n < 5) throw new Error(`only ${n}`);
      return { n: n - 5 };
    };
    expect((await runWithCAS({ ...parts, mutator: spend })).state).toEqual({ n: 5 });
    await runWithCAS({ ...parts, mutator: spend });
    await expect(runWithCAS({ ...parts, mutator: spend })).rejects.toThrow("only 0");
    expect(store.state).toEqual({ n: 0 });
  });

  it("has the budget of a conflict, and takes a record that is gone for confirmed", async () => {
    const { parts, store, rereads } = start({ n: 0 }, 1);
    const restless = async () => {
      store.write({ n: 0 });
      return parts.reread();
    };
    const options = { baseDelayMs: 0, maxRetries: 2 };
    const nothing = { ...parts, options, mutator: (state: Readonly<Counter>) => state };
    await expect(runWithCAS({ ...nothing, reread: restless })).rejects.toBeInstanceOf(
      ConcurrentModificationError,
    );
    expect(rereads()).toBe(3);
    const none = { ...nothing, reread: () => undefined };
    expect((await runWithCAS(none)).committed).toBe(false);
    const broken = { ...nothing, reread: () => ({ version: 1 }) as never };
    await expect(runWithCAS(broken)).rejects.toBeInstanceOf(StoreContractError);
    const away = { ...nothing, reread: () => Promise.reject(new Error("away")) };
    await expect(runWithCAS(away)).rejects.toThrow("away");
    expect(await runWithCAS({ ...nothing, reread: undefined })).toMatchObject({ committed: false });
  });
});
