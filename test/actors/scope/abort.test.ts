import { getEventListeners } from "node:events";
import { createScope } from "holdfast";
import { MemoryStorage, runTurn } from "holdfast/turn-state";
import { expect, it } from "vitest";
import { onAbort } from "../../../actors/scope/abort.ts";
import { activity } from "../../src/dialects/turn-state/places.ts";

const CALLS = 40;

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** The warnings of the process while `work` runs. */
async function warningsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  const onWarning = (warning: Error): void => void names.push(warning.name);
  process.on("warning", onWarning);
  await work();
  // They are emitted in a later turn of the event loop.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  process.off("warning", onWarning);
  return names;
}

it("calls back once each, in order, and leaves no listener", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const calls: string[] = [];
  const same = (): void => void calls.push("same");
  const stops = [onAbort(signal, same), onAbort(signal, same)];
  let stopLast = (): void => undefined;
  onAbort(signal, () => {
    calls.push("first");
    stopLast();
  });
  onAbort(signal, () => calls.push("second"));
  stopLast = onAbort(signal, () => calls.push("taken back"));
  stops[0]?.();
  stops[0]?.();
  expect(listenersOf(signal)).toBe(1);
  controller.abort();
  expect(calls).toEqual(["same", "first", "second"]);
  stops[1]?.();
  expect(listenersOf(signal)).toBe(0);
});

it("listens anew after all callbacks were taken back", () => {
  const controller = new AbortController();
  const calls: number[] = [];
  onAbort(controller.signal, () => calls.push(1))();
  expect(listenersOf(controller.signal)).toBe(0);
  onAbort(controller.signal, () => calls.push(2));
  controller.abort();
  expect(calls).toEqual([2]);
});

it("one signal on many calls of a scope warns of nothing, and ends them all", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const scope = createScope({ initial: { n: 0 } });
  let open = (): void => undefined;
  const busy = new Promise<void>((resolve) => {
    open = resolve;
  });
  const warnings = await warningsDuring(async () => {
    const first = scope.atomicState(async (state) => {
      await busy;
      return state;
    });
    const calls = Array.from({ length: CALLS }, () => scope.incState({ n: 1 }, { signal }));
    const readers = Array.from({ length: CALLS }, () => scope.changes({ signal }));
    expect(listenersOf(signal)).toBe(1);
    controller.abort(new Error("enough"));
    for (const call of calls) await expect(call).rejects.toThrow("enough");
    for (const reader of readers) for await (const item of reader) expect.fail(item.type);
    open();
    await first;
  });
  expect(warnings).toEqual([]);
  expect(listenersOf(signal)).toBe(0);
  await scope.stop();
});

it("one signal on many turns warns of nothing, and ends them all", async () => {
  const controller = new AbortController();
  const storage = new MemoryStorage();
  const warnings = await warningsDuring(async () => {
    const turns = Array.from({ length: CALLS }, (_, at) =>
      runTurn(storage, activity(`c${at}`), () => new Promise<void>(() => undefined), {
        signal: controller.signal,
      }),
    );
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    controller.abort(new Error("enough"));
    for (const turn of turns) await expect(turn).rejects.toThrow("enough");
  });
  expect(warnings).toEqual([]);
  expect(listenersOf(controller.signal)).toBe(0);
});
