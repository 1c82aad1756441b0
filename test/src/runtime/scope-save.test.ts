/** A scope with a persist bridge: folding, conflicts, throws, unknown commits, delete, refresh. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import { CommitUnknownError } from "../../../actors/errors.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import type { SaveResult, StateChange } from "../../../actors/protocol.ts";
import { createScope, type Scope, type ScopeOptions } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { tableBridge, type TableBridge } from "../../support/table-bridge.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
  x?: number;
}
const initial: Bag = { n: 0 };
const fast = { baseDelayMs: 0 };

function open(
  bridge: TableBridge<Bag>,
  options: Partial<ScopeOptions<Bag>> = {},
): { scope: Scope<Bag>; events: StateChange<Bag>[] } {
  const scope = createScope<Bag>({ initial, persist: bridge, cas: fast, ...options });
  const events: StateChange<Bag>[] = [];
  scope.subscribe((change) => void events.push(change));
  return { scope, events };
}

const plusOne = ({ n }: Readonly<Bag>): Bag => ({ n: n + 1 });

describe("a listener that comes while changes wait for their save", () => {
  it("hears all of them, and their patches together lead to the state and back", async () => {
    const bridge = tableBridge<Bag>();
    const scope = createScope<Bag>({ initial, persist: bridge });
    const calls = [scope.incState({ n: 1 }), scope.patchState({ x: 5 })];
    const events: StateChange<Bag>[] = [];
    scope.subscribe((change) => void events.push(change));
    calls.push(scope.incState({ n: 1 }));
    await Promise.all(calls);
    expect(bridge.saves).toHaveLength(1);
    expect(bridge.saves[0]?.commit?.patches).toHaveLength(3);
    expect(events.map(({ version, operation }) => [version, operation])).toEqual([
      [1, "increment"],
      [2, "patch"],
      [3, "increment"],
    ]);
    const there = events.flatMap(({ patches }) => patches);
    const back = events.toReversed().flatMap(({ inversePatches }) => inversePatches);
    expect(applyPatches(initial, there)).toEqual({ n: 2, x: 5 });
    expect(applyPatches({ n: 2, x: 5 }, back)).toEqual(initial);
  });
});

describe("folding (semantics 3)", () => {
  it("saves everything waiting at once; versions, patches and operations in order", async () => {
    const bridge = tableBridge<Bag>();
    const { scope, events } = open(bridge);
    const calls = [
      scope.incState({ n: 1 }),
      scope.patchState({ n: 1 }),
      scope.atomicState(plusOne, { meta: { who: "c" } }),
      scope.update((draft) => void (draft.x = 9)),
    ];
    expect(scope.state).toEqual({ n: 0 });
    expect(scope.version).toBe(0);
    expect(await Promise.all(calls)).toEqual([true, false, true, true]);
    expect(bridge.saves).toHaveLength(1);
    expect(bridge.saves[0]).toMatchObject({
      next: { n: 2, x: 9 },
      expected: 0,
      commit: { version: 3, operations: ["increment", "atomic", "update"] },
    });
    expect(bridge.saves[0]?.commit?.patches).toEqual([
      { op: "replace", path: ["n"], value: 1 },
      { op: "replace", path: ["n"], value: 2 },
      { op: "add", path: ["x"], value: 9 },
    ]);
    expect(events.map(({ version, operation }) => [version, operation])).toEqual([
      [1, "increment"],
      [2, "atomic"],
      [3, "update"],
    ]);
    expect(events[1]?.meta).toEqual({ who: "c" });
    expect(scope.version).toBe(3);
  });

  it("answers nobody and shows nothing before the save is confirmed", async () => {
    const bridge = tableBridge<Bag>();
    const confirm = gate();
    bridge.plan = () => confirm.promise.then(() => undefined);
    const { scope, events } = open(bridge);
    let answers = 0;
    const calls = [scope.incState({ n: 1 }), scope.patchState({ n: 1 })].map((call) =>
      call.then(() => (answers += 1)),
    );
    await settled();
    expect([answers, scope.state.n, scope.version, events.length]).toEqual([0, 0, 0, 0]);
    confirm.open();
    await Promise.all(calls);
    expect([answers, scope.state.n, scope.version, events.length]).toEqual([2, 1, 1, 1]);
  });

  it("folds what came during a save into the next one", async () => {
    const bridge = tableBridge<Bag>();
    const confirm = gate();
    bridge.plan = (_, count) => (count === 1 ? confirm.promise.then(() => undefined) : undefined);
    const { scope } = open(bridge);
    const calls = [scope.atomicState(plusOne)];
    await settled();
    for (let index = 0; index < 5; index++) calls.push(scope.atomicState(plusOne));
    confirm.open();
    await Promise.all(calls);
    expect(bridge.saves.map(({ expected, commit }) => [expected, commit?.version])).toEqual([
      [0, 1],
      [1, 6],
    ]);
    expect(bridge.stored).toEqual({ state: { n: 6 }, version: 6 });
  });

  it("saves nothing for no-ops (semantics 5) and answers them at once", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 1 }, version: 4 });
    const { scope, events } = open(bridge, { initial: { n: 1 }, version: 4 });
    expect(await scope.patchState({ n: 1 })).toBe(false);
    expect(await scope.setState({ n: 1 })).toBe(false);
    expect([bridge.saves.length, scope.version, events.length]).toEqual([0, 4, 0]);
  });

  it("answers a refusal at once when it rests on nothing unconfirmed, else with its round", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    const oops = (): never => {
      throw new Error("oops");
    };
    expect(await rejection(scope.atomicState(oops))).toMatchObject({ message: "oops" });
    const calls = [scope.incState({ n: 1 }), rejection(scope.atomicState(oops))];
    expect(await Promise.all(calls)).toMatchObject([true, { message: "oops" }]);
    expect(bridge.stored?.state).toEqual({ n: 1 });
  });

  it("does not let a mutator that takes its time keep the change before it from being saved", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    const slow = gate<Bag>();
    const first = scope.incState({ n: 1 });
    const second = scope.atomicState(() => slow.promise);
    const third = scope.incState({ n: 1 });
    expect(await first).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 1 }, version: 1 });
    slow.open({ n: 10 });
    expect(await Promise.all([second, third])).toEqual([true, true]);
    expect(scope.state.n).toBe(11);
  });

  it("folds asynchronous mutators that need no more than microtasks", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    const calls = Array.from({ length: 100 }, () =>
      scope.atomicState(async ({ n }) => {
        await Promise.resolve();
        return { n: n + 1 };
      }),
    );
    await Promise.all(calls);
    expect([bridge.saves.length, scope.state.n, scope.version]).toEqual([1, 100, 100]);
  });

  it("keeps the outcome of a slow mutator until the save before it has ended", async () => {
    const bridge = tableBridge<Bag>();
    const confirm = gate();
    bridge.plan = (_, count) => (count === 1 ? confirm.promise.then(() => undefined) : undefined);
    const { scope } = open(bridge);
    const first = scope.incState({ n: 1 });
    const slow = gate();
    const second = scope.atomicState(async ({ n }) => {
      await slow.promise;
      return { n: n + 10 };
    });
    await settled();
    await settled();
    expect(bridge.saves).toHaveLength(1);
    slow.open();
    await settled();
    expect(scope.state.n).toBe(0);
    confirm.open();
    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(bridge.saves.map(({ next }) => next)).toEqual([{ n: 1 }, { n: 11 }]);
  });

  it("runs a slow mutator again when the save before it met a conflict", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.write({ n: 100 });
    const runs: [number, number][] = [];
    const signals: AbortSignal[] = [];
    const slow = gate();
    const first = scope.incState({ n: 1 });
    const second = scope.atomicState(async ({ n }, turn) => {
      runs.push([n, turn.attempt]);
      signals.push(turn.signal);
      if (turn.attempt === 1) await slow.promise;
      return { n: n + 10 };
    });
    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(runs).toEqual([
      [1, 1],
      [101, 2],
    ]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    slow.open();
    await settled();
    expect(scope.state.n).toBe(111);
    expect(scope.version).toBe(3);
  });

  it("runs a slow mutator again when the save before it threw", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.plan = (_, count) => {
      if (count === 1) throw new Error("disk full");
      return undefined;
    };
    const seen: number[] = [];
    const slow = gate();
    const first = rejection(scope.incState({ n: 1 }));
    const second = scope.atomicState(async ({ n }) => {
      seen.push(n);
      await slow.promise;
      return { n: n + 10 };
    });
    expect(await first).toMatchObject({ message: "disk full" });
    slow.open();
    expect(await second).toBe(true);
    expect([seen, bridge.stored]).toEqual([[1, 0], { state: { n: 10 }, version: 1 }]);
  });
});

describe("conflicts (semantics 4)", () => {
  it("takes the store's state, waits 10, 20, 40 ms and runs the mutators again on it", async () => {
    const bridge = tableBridge<Bag>();
    const clock = simulatedClock();
    const { scope, events } = open(bridge, { cas: {}, clock });
    const times: number[] = [];
    bridge.plan = (_, count) => {
      times.push(clock.now());
      if (count <= 3) bridge.write({ n: count * 100 });
      return undefined;
    };
    const attempts: number[] = [];
    const call = scope.atomicState(({ n }, { attempt }) => {
      attempts.push(attempt);
      return { n: n + 1 };
    });
    await clock.advance(1_000);
    expect(await call).toBe(true);
    expect(times).toEqual([0, 10, 30, 70]);
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect([scope.state.n, scope.version]).toEqual([301, 4]);
    expect(events.map(({ version, origin }) => [version, origin])).toEqual([
      [1, "remote"],
      [2, "remote"],
      [3, "remote"],
      [4, "local"],
    ]);
  });

  it("gives up after maxRetries with an error object for each caller", async () => {
    const bridge = tableBridge<Bag>();
    bridge.plan = () => (bridge.write({ n: bridge.saves.length * 100 }), undefined);
    const { scope } = open(bridge);
    const errors = await Promise.all(
      [scope.incState({ n: 1 }), scope.incState({ n: 1 })].map((each) => rejection(each)),
    );
    for (const error of errors)
      expect(error).toMatchObject({
        code: "CONCURRENT_MODIFICATION",
        attempts: 4,
        expectedVersion: 3,
        actualVersion: 4,
        scope: scope.identity,
      });
    expect(errors[0]).not.toBe(errors[1]);
    expect(bridge.saves).toHaveLength(4);
    expect([scope.state.n, scope.version]).toEqual([400, 4]);
  });

  it("counts negative maxRetries as 0", async () => {
    const bridge = tableBridge<Bag>();
    bridge.plan = () => (bridge.write({ n: 1 }), undefined);
    const { scope } = open(bridge, { cas: { maxRetries: -5 } });
    expect(await rejection(scope.incState({ n: 1 }))).toMatchObject({ attempts: 1 });
    expect(bridge.saves).toHaveLength(1);
  });

  it("answers false when the winner already wrote the same", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.write({ n: 7 });
    expect(await scope.patchState({ n: 7 })).toBe(false);
    expect([bridge.saves.length, scope.version]).toEqual([1, 1]);
  });

  it("shows listeners the winner's state, and inverse patches that lead back to a confirmed one", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 1 }, version: 1 });
    const { scope, events } = open(bridge, { initial: { n: 1 }, version: 1 });
    const shown: unknown[] = [];
    scope.subscribe(({ version }) => void shown.push([version, scope.state.n, scope.version]));
    bridge.write({ n: 100 });
    await scope.incState({ n: 1 });
    expect(events[0]).toMatchObject({
      operation: "refresh",
      patches: [{ op: "replace", path: [], value: { n: 100 } }],
      inversePatches: [{ op: "replace", path: [], value: { n: 1 } }],
    });
    expect(shown).toEqual([
      [2, 100, 2],
      [3, 101, 3],
    ]);
  });

  it("goes on from the initial state and the tombstone's version when the record is gone", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 5 }, version: 5 });
    const { scope } = open(bridge, { initial: { n: 0 }, version: 4 });
    bridge.stored = { state: undefined, version: 6 };
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 1 }, version: 7 });
    expect(scope.version).toBe(7);
  });

  it("takes version 0 when a record is gone without a tombstone", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge, { version: 4 });
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 1 }, version: 1 });
  });

  it("runs mutators again in the async context of their callers (N2)", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.write({ n: 1 });
    const who = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const call = (name: string): Promise<boolean> =>
      who.run(name, () =>
        scope.atomicState(({ n }) => {
          seen.push(who.getStore());
          return { n: n + 1 };
        }),
      );
    await Promise.all([call("a"), call("b")]);
    expect(seen).toEqual(["a", "b", "a", "b"]);
  });

  it("asks for one exclusive turn after the last retry when told to", async () => {
    const bridge = tableBridge<Bag>();
    let exclusives = 0;
    let locked = false;
    bridge.exclusive = async (turn) => {
      exclusives += 1;
      locked = true;
      return turn();
    };
    bridge.plan = () => {
      if (!locked) bridge.write({ n: bridge.saves.length * 100 });
      return undefined;
    };
    const { scope } = open(bridge, { cas: { baseDelayMs: 0, escalate: true } });
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect([exclusives, bridge.saves.length, bridge.loads, scope.state.n]).toEqual([1, 5, 1, 401]);
  });
});

describe("a save that throws (semantics 4 and 8)", () => {
  it("rejects with that error, is not repeated, changes nothing, and the next works", async () => {
    const bridge = tableBridge<Bag>();
    const { scope, events } = open(bridge);
    const down = new Error("disk full");
    bridge.plan = (_, count) => {
      if (count === 1) throw down;
      return undefined;
    };
    const calls = [scope.incState({ n: 1 }), scope.incState({ n: 1 })].map((each) =>
      rejection(each),
    );
    expect(await Promise.all(calls)).toEqual([down, down]);
    expect([bridge.saves.length, scope.version, events.length, scope.state.n]).toEqual([
      1, 0, 0, 0,
    ]);
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 1 }, version: 1 });
  });

  it("works the same when save throws before it returns a promise", async () => {
    const bridge = tableBridge<Bag>();
    const save = bridge.save.bind(bridge);
    bridge.save = () => {
      throw new Error("at once");
    };
    const { scope } = open(bridge);
    expect(await rejection(scope.incState({ n: 1 }))).toMatchObject({ message: "at once" });
    bridge.save = save;
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  it("gives all callers COMMIT_UNKNOWN of their own and reads the store before the next", async () => {
    const bridge = tableBridge<Bag>();
    const { scope, events } = open(bridge);
    bridge.plan = ({ next }, count) => {
      if (count > 1) return undefined;
      bridge.stored = { state: next ?? { n: -1 }, version: 2 };
      throw new CommitUnknownError();
    };
    const errors = await Promise.all(
      [scope.incState({ n: 1 }), scope.incState({ n: 1 })].map((each) => rejection(each)),
    );
    for (const error of errors) expect(error).toMatchObject({ code: "COMMIT_UNKNOWN" });
    expect(errors[0]).not.toBe(errors[1]);
    expect(bridge.loads).toBe(0);
    expect(await scope.atomicState(plusOne)).toBe(true);
    expect(bridge.loads).toBe(1);
    expect(bridge.stored).toEqual({ state: { n: 3 }, version: 3 });
    expect(events.map(({ version, origin }) => [version, origin])).toEqual([
      [2, "remote"],
      [3, "local"],
    ]);
  });

  it("rejects the next caller when the store cannot be read, and tries again for the one after", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.plan = (_, count) => {
      if (count === 1) throw new CommitUnknownError();
      return undefined;
    };
    await rejection(scope.incState({ n: 1 }));
    const load = bridge.load?.bind(bridge);
    bridge.load = () => Promise.reject(new Error("no way to the store"));
    const second = rejection(scope.incState({ n: 1 }));
    const third = rejection(scope.incState({ n: 1 }));
    expect(await second).toMatchObject({ message: "no way to the store" });
    expect(await third).toMatchObject({ message: "no way to the store" });
    if (load !== undefined) bridge.load = load;
    expect(await scope.incState({ n: 1 })).toBe(true);
  });
});

describe("a bridge that breaks its contract (semantics 14)", () => {
  const answers: [string, unknown, unknown][] = [
    ["another version", { ok: true, version: 7 }, 7],
    ["no version", { ok: true }, "undefined"],
    ["nothing", undefined, undefined],
    ["a conflict without a state", { ok: false, current: { version: 3 } }, undefined],
    ["a conflict with text", { ok: false, current: { state: "x", version: 3 } }, undefined],
    ["a conflict without a version", { ok: false, current: { state: {} } }, undefined],
  ];
  for (const [name, answer, received] of answers)
    it(`rejects with STORE_CONTRACT and reads again after ${name}`, async () => {
      const bridge = tableBridge<Bag>();
      const save = bridge.save.bind(bridge);
      bridge.save = () => Promise.resolve(answer as SaveResult<Bag>); // What it is tested for.
      const { scope } = open(bridge);
      const errors = await Promise.all(
        [scope.incState({ n: 1 }), scope.incState({ n: 1 })].map((each) => rejection(each)),
      );
      expect(errors[0]).toMatchObject({
        code: "STORE_CONTRACT",
        expected: 2,
        ...(received === undefined ? {} : { received }),
      });
      expect(errors[0]).not.toBe(errors[1]);
      bridge.save = save;
      expect(await scope.incState({ n: 1 })).toBe(true);
      expect([bridge.loads, scope.state.n]).toEqual([1, 1]);
    });

  it("refuses a loaded record of another shape", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    bridge.load = () => Promise.resolve({ state: 5, version: 1 } as never); // What it is tested for.
    expect(await rejection(scope.refresh())).toMatchObject({ code: "STORE_CONTRACT" });
    expect([scope.state, scope.version]).toEqual([{ n: 0 }, 0]);
  });
});

describe("delete and refresh (semantics 14)", () => {
  it("deletes: true, initial state, version + 1, one event, and false the next time", async () => {
    const bridge = tableBridge<Bag>();
    const { scope, events } = open(bridge);
    await scope.incState({ n: 1 });
    expect(await scope.delete()).toBe(true);
    expect([scope.state, scope.version]).toEqual([{ n: 0 }, 2]);
    expect(bridge.stored).toEqual({ state: undefined, version: 2 });
    expect(events.at(-1)).toMatchObject({ operation: "delete", version: 2, origin: "local" });
    expect(await scope.delete()).toBe(false);
    await scope.incState({ n: 1 });
    expect(scope.version).toBe(3);
  });

  it("deletes after everything submitted before and before everything submitted after", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    const calls = [scope.incState({ n: 1 }), scope.delete(), scope.incState({ n: 5 })];
    expect(await Promise.all(calls)).toEqual([true, true, true]);
    expect([scope.state.n, scope.version]).toEqual([5, 3]);
  });

  it("deletes the winner's record after a conflict, and gives up like a save", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 1 }, version: 1 });
    const { scope } = open(bridge, { version: 1 });
    bridge.plan = (_, count) => {
      if (count === 1) bridge.write({ n: 2 });
      return undefined;
    };
    expect(await scope.delete()).toBe(true);
    expect(scope.version).toBe(3);
    await scope.incState({ n: 1 });
    bridge.plan = () => (bridge.write({ n: 3 }), undefined);
    expect(await rejection(scope.delete())).toMatchObject({
      code: "CONCURRENT_MODIFICATION",
      attempts: 4,
    });
  });

  it("answers false when another writer deleted it already", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 1 }, version: 1 });
    const { scope } = open(bridge, { version: 1 });
    bridge.stored = { state: undefined, version: 2 };
    expect(await scope.delete()).toBe(false);
    expect([scope.state.n, scope.version]).toEqual([0, 2]);
  });

  it("saves the initial state through a bridge without delete", async () => {
    const bridge = tableBridge<Bag>();
    delete bridge.delete;
    const { scope } = open(bridge);
    await scope.incState({ n: 1 });
    expect(await scope.delete()).toBe(true);
    expect(bridge.stored).toEqual({ state: { n: 0 }, version: 2 });
  });

  it("reads the store after a delete whose outcome the bridge does not know", async () => {
    const bridge = tableBridge<Bag>({ state: { n: 1 }, version: 1 });
    const { scope } = open(bridge, { version: 1 });
    bridge.plan = (_, count) => {
      if (count > 1) return undefined;
      bridge.stored = { state: undefined, version: 2 };
      throw new CommitUnknownError();
    };
    expect(await rejection(scope.delete())).toMatchObject({
      code: "COMMIT_UNKNOWN",
      scope: scope.identity,
    });
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect([bridge.loads, scope.version]).toEqual([1, 3]);
  });

  it("deletes a scope in memory before the call returns", async () => {
    const scope = createScope({ initial });
    void scope.incState({ n: 1 });
    const call = scope.delete();
    expect([scope.state.n, scope.version]).toEqual([0, 2]);
    expect(await call).toBe(true);
  });

  it("refreshes in turn and announces only a difference", async () => {
    const bridge = tableBridge<Bag>();
    const { scope, events } = open(bridge);
    await scope.incState({ n: 1 });
    await scope.refresh();
    expect(events).toHaveLength(1);
    bridge.write({ n: 50 });
    const calls = [scope.refresh(), scope.incState({ n: 1 })];
    await Promise.all(calls);
    expect([scope.state.n, scope.version, bridge.saves.length]).toEqual([51, 3, 2]);
    expect(events.map(({ operation }) => operation)).toEqual(["increment", "refresh", "increment"]);
  });

  it("reads nothing before the first mutation", async () => {
    const bridge = tableBridge<Bag>();
    const { scope } = open(bridge);
    await scope.incState({ n: 1 });
    expect(bridge.loads).toBe(0);
  });
});
