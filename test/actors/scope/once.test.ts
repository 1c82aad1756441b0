import { describe, expect, it } from "vitest";
import { createScope } from "../../../src/runtime/scope.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";
import { tableBridge } from "../../support/table-bridge.ts";

interface Counter {
  n: number;
}

const once = "key";
const initial: Counter = { n: 0 };

describe("once on a scope of its own", () => {
  it("keeps its keys in memory, through conflicts and reads, until delete", async () => {
    const persist = tableBridge<Counter>();
    const scope = createScope({ initial, persist });
    expect(await scope.incState({ n: 1 }, { once })).toBe(true);
    persist.write({ n: 5 });
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(scope.state).toEqual({ n: 6 });
    expect(await scope.incState({ n: 1 }, { once })).toBe(true);
    persist.write({ n: 7 });
    await scope.refresh();
    expect(await scope.transact((draft) => (draft.n += 1), { once })).toBe(true);
    expect(scope.state).toEqual({ n: 7 });
    await scope.delete();
    expect(await scope.transact((draft) => (draft.n += 1), { once })).toBe(1);
  });

  it("O1 does not keep a key whose save failed", async () => {
    const persist = tableBridge<Counter>();
    const scope = createScope({ initial, persist });
    persist.plan = () => {
      throw new Error("disk");
    };
    await expect(scope.incState({ n: 1 }, { once })).rejects.toThrow("disk");
    persist.plan = () => undefined;
    expect(await scope.incState({ n: 1 }, { once })).toBe(true);
    expect(scope.state).toEqual({ n: 1 });
  });

  it("O2 runs no code of a repeat, also when it waits for the first", async () => {
    const scope = createScope({ initial });
    const work = gate();
    let runs = 0;
    const call = (): Promise<number> =>
      scope.transact(
        async (draft) => {
          runs += 1;
          await work.promise;
          return (draft.n += 1);
        },
        { once },
      );
    const both = Promise.all([call(), call()]);
    await settled();
    work.open();
    expect(await both).toEqual([1, 1]);
    expect([runs, scope.version]).toEqual([1, 1]);
  });

  it("O1 drops the key of a call that was aborted before its save", async () => {
    const persist = tableBridge<Counter>();
    const scope = createScope({ initial, persist });
    const abort = new AbortController();
    const call = scope.incState({ n: 1 }, { once, signal: abort.signal });
    const other = scope.incState({ n: 10 });
    abort.abort(new Error("mine"));
    await expect(call).rejects.toThrow("mine");
    expect(await other).toBe(true);
    expect(await scope.incState({ n: 1 }, { once })).toBe(true);
    expect(scope.state).toEqual({ n: 11 });
  });

  it("keeps a key when an equal state is set again by a later call", async () => {
    const scope = createScope<Counter>({ initial });
    await scope.setState({ n: 1 }, { once });
    const copy = scope.state;
    await scope.setState({ n: 2 });
    await scope.setState(copy);
    expect(await scope.setState({ n: 9 }, { once })).toBe(true);
    expect(scope.state).toEqual({ n: 1 });
    const other = createScope<Counter>({ initial: scope.state });
    expect(await other.setState({ n: 9 }, { once })).toBe(true);
    expect(other.state).toEqual({ n: 9 });
  });

  it("does not end the process when the scope stops before a call with a key", async () => {
    const scope = createScope({ initial });
    const work = gate();
    void scope.update(() => work.promise);
    void scope.transact((draft) => (draft.n += 1), { once });
    const waiting = scope.transact((draft) => (draft.n += 1), { once });
    await scope.stop();
    await rejection(waiting, "SCOPE_STOPPED");
    work.open();
  });
});
