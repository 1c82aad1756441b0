/** `createScope({ answers })`: what a result that writes nothing rests on, call by call. */
import { describe, expect, it } from "vitest";
import { CommitUnknownError, type ErrorCode } from "../../../actors/errors.ts";
import type { Stored } from "../../../actors/protocol.ts";
import { createScope, type Scope, type ScopeOptions } from "../../../src/runtime/scope.ts";
import { tableBridge, type TableBridge } from "../../support/table-bridge.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

interface Counter {
  n: number;
}

const STORED: Stored<Counter> = { state: { n: 1 }, version: 1 };

function scopeOn(bridge: TableBridge<Counter>, options: Partial<ScopeOptions<Counter>> = {}) {
  return createScope<Counter>({
    initial: { n: 1 },
    version: 1,
    persist: bridge,
    answers: "verified",
    cas: { baseDelayMs: 0 },
    ...options,
  });
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode> {
  const error = await rejection(work);
  return error["code"] as ErrorCode; // Read from an error of the library.
}

function same(scope: Scope<Counter>): Promise<boolean> {
  return scope.patchState({ n: 1 });
}

describe("answers", () => {
  it("are local by default: a no-op makes no call of the bridge", async () => {
    const bridge = tableBridge<Counter>(STORED);
    const scope = createScope<Counter>({ initial: { n: 1 }, version: 1, persist: bridge });
    bridge.write({ n: 2 });
    expect(await same(scope)).toBe(false);
    expect([bridge.loads, bridge.saves]).toEqual([0, []]);
  });

  it("ask load where there is no verify, and run again on what is there", async () => {
    const bridge = tableBridge<Counter>(STORED);
    const scope = scopeOn(bridge);
    expect(await same(scope)).toBe(false);
    bridge.write({ n: 2 });
    expect(await same(scope)).toBe(true);
    expect([bridge.stored, bridge.loads]).toEqual([{ state: { n: 1 }, version: 3 }, 2]);
  });

  it("ask verify once for everything that waits, and no save beside it", async () => {
    const asked: number[] = [];
    const bridge = tableBridge<Counter>(STORED);
    bridge.verify = (version) => {
      asked.push(version);
      return Promise.resolve({ ok: true, version });
    };
    const scope = scopeOn(bridge);
    const calls = Array.from({ length: 100 }, () => same(scope));
    expect(new Set(await Promise.all(calls))).toEqual(new Set([false]));
    expect([asked, bridge.loads, bridge.saves]).toEqual([[1], 0, []]);
  });

  it("are verified by the save when the round has one", async () => {
    const bridge = tableBridge<Counter>(STORED);
    const scope = scopeOn(bridge);
    const calls = [same(scope), scope.incState({ n: 1 }), scope.patchState({ n: 2 })];
    expect(await Promise.all(calls)).toEqual([false, true, false]);
    expect([bridge.loads, bridge.saves.length]).toEqual([0, 1]);
  });

  it("refuse another version than the one asked for as a breach of contract", async () => {
    const bridge = tableBridge<Counter>(STORED);
    bridge.verify = () => Promise.resolve({ ok: true, version: 9 });
    expect(await codeOf(same(scopeOn(bridge)))).toBe("STORE_CONTRACT");
  });

  it("need a bridge that can be asked", () => {
    const persist = { save: () => Promise.resolve({ ok: true as const, version: 1 }) };
    const options = { initial: { n: 1 }, persist, answers: "verified" as const };
    expect(() => createScope<Counter>(options)).toThrow(TypeError);
  });

  it("end with the bridge's error, also an unknown one, and leave the scope as it was", async () => {
    const bridge = tableBridge<Counter>(STORED);
    const scope = scopeOn(bridge);
    bridge.verify = () => Promise.reject(new RangeError("down"));
    expect(await rejection(same(scope))).toEqual(new RangeError("down"));
    bridge.verify = () => Promise.reject(new CommitUnknownError());
    expect(await codeOf(same(scope))).toBe("COMMIT_UNKNOWN");
    delete bridge.verify;
    expect(await same(scope)).toBe(false);
  });
});

describe("a verification under way", () => {
  async function asked(options: Partial<ScopeOptions<Counter>> = {}) {
    const bridge = tableBridge<Counter>(STORED);
    const line = gate<{ ok: true; version: number }>();
    bridge.verify = () => line.promise;
    const scope = scopeOn(bridge, options);
    const abort = new AbortController();
    const call = scope.patchState({ n: 1 }, { signal: abort.signal });
    call.catch(() => undefined);
    await settled();
    return { bridge, line, scope, abort, call };
  }

  it("does not keep an aborted caller: nothing was written, so nothing is unknown", async () => {
    const { abort, call, line, scope, bridge } = await asked();
    abort.abort("left");
    expect(await rejection(call)).toBe("left");
    const next = scope.incState({ n: 1 });
    line.open({ ok: true, version: 1 });
    expect([await next, bridge.saves.length, scope.version]).toEqual([true, 1, 2]);
  });

  it("ends with the scope: its caller is refused", async () => {
    const { call, line, scope } = await asked();
    const stopping = scope.stop();
    expect(await codeOf(call)).toBe("SCOPE_STOPPED");
    line.open({ ok: true, version: 1 });
    await stopping;
  });

  it("runs again what waited when the version moved", async () => {
    const { call, line, scope, bridge } = await asked();
    const behind = scope.incState({ n: 5 });
    bridge.write({ n: 2 });
    bridge.verify = (version) =>
      Promise.resolve(version === 2 ? { ok: true, version } : { ok: false, current: undefined });
    line.fail(new Error("unused"));
    await rejection(call);
    expect([await behind, scope.state.n]).toEqual([true, 7]);
  });
});
