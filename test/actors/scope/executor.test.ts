/** What the executor does with calls that are cancelled while they are applied (S2, S3). */
import { describe, expect, it } from "vitest";
import { createScope, type StateScope } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { settled } from "../../support/waiting.ts";

interface Count {
  n: number;
}

/** A schema that calls `during` when a state is checked. */
function schemaThat(during: (n: number) => void): {
  "~standard": {
    version: 1;
    vendor: string;
    validate: (value: unknown) => { value: Count };
  };
} {
  const validate = (value: unknown): { value: Count } => {
    const count = value as Count; // Every state of these tests is one.
    during(count.n);
    return { value: count };
  };
  return { "~standard": { version: 1, vendor: "test", validate } };
}

describe("a call whose signal aborts in the check of its own change", () => {
  const ways = [
    ["plain data", 1],
    ["a mutator", (n: number) => n + 1],
    ["an asynchronous mutator", async (n: number) => n + 1],
  ] as const;

  it.each(ways)("%s: without a bridge it counts, and the mailbox goes on", async (_, change) => {
    const abort = new AbortController();
    let isArmed = false;
    const schema = schemaThat(() => {
      if (isArmed) abort.abort(new Error("too late"));
    });
    const scope = createScope<Count>({ initial: { n: 0 }, schema, mailboxLimit: 1 });
    isArmed = true;
    const options = { signal: abort.signal };
    const first =
      typeof change === "number"
        ? scope.patchState({ n: change }, options)
        : scope.patchState("n", change, options);
    expect(await first).toBe(true);
    isArmed = false;
    expect([scope.state.n, scope.version]).toEqual([1, 1]);
    // One runs and one waits, so the third is one too many.
    const slow = scope.patchState("n", async (n) => n + 1);
    const waits = scope.incState({ n: 1 });
    await expect(scope.incState({ n: 1 })).rejects.toMatchObject({ code: "MAILBOX_FULL" });
    expect(await Promise.all([slow, waits])).toEqual([true, true]);
    expect(scope.state.n).toBe(3);
  });

  it.each(ways)("%s: with a bridge it has no effect", async (_, change) => {
    const abort = new AbortController();
    const reason = new Error("in time");
    let isArmed = false;
    const schema = schemaThat(() => {
      if (isArmed) abort.abort(reason);
    });
    const bridge = tableBridge<Count>();
    const scope = createScope<Count>({ initial: { n: 0 }, schema, persist: bridge });
    isArmed = true;
    const options = { signal: abort.signal };
    const first =
      typeof change === "number"
        ? scope.patchState({ n: change }, options)
        : scope.patchState("n", change, options);
    await expect(first).rejects.toBe(reason);
    isArmed = false;
    expect(await scope.incState({ n: 5 })).toBe(true);
    expect([scope.state.n, bridge.stored?.state?.n]).toEqual([5, 5]);
  });

  it.each(ways)("%s: nor when it runs again after a conflict", async (_, change) => {
    const abort = new AbortController();
    const reason = new Error("in time");
    const bridge = tableBridge<Count>();
    const schema = schemaThat((n) => {
      if (bridge.saves.length === 1 && n !== 100) abort.abort(reason);
    });
    const scope = createScope<Count>({ initial: { n: 0 }, schema, persist: bridge });
    bridge.write({ n: 100 }); // So the first save conflicts, and the calls run again on that.
    const options = { signal: abort.signal };
    const first =
      typeof change === "number"
        ? scope.patchState({ n: change }, options)
        : scope.patchState("n", change, options);
    const next = scope.incState({ n: 5 });
    await expect(first).rejects.toBe(reason);
    expect(await next).toBe(true);
    expect([scope.state.n, bridge.stored?.state?.n]).toEqual([105, 105]);
  });
});

it("S1: a call whose code is cut off does not open the section that starts then", async () => {
  const scope = createScope<Count>({ initial: { n: 0 } }) as StateScope<Count>; // What it makes.
  const abort = new AbortController();
  const { signal } = abort;
  const hung = scope.patchState("n", () => new Promise<number>(() => undefined), { signal });
  const claiming = scope.claim();
  let isOver = false;
  const after = scope.incState({ n: 1 }).then(() => (isOver = true));
  abort.abort(new Error("enough"));
  await expect(hung).rejects.toThrow("enough");
  const claim = await claiming;
  await settled();
  expect([scope.state.n, isOver]).toEqual([0, false]);
  claim.release();
  await after;
  expect(scope.state.n).toBe(1);
});

const MICROTASKS = Array.from({ length: 12 }, (_, count) => count);

it.each(MICROTASKS)("stop, %i microtasks after a conflict, waits for no retry", async (count) => {
  const bridge = tableBridge<Count>();
  const clock = simulatedClock(1);
  const scope = createScope<Count>({ initial: { n: 0 }, persist: bridge, clock });
  bridge.write({ n: 5 });
  let isStopped = false;
  const stopLater = async (): Promise<void> => {
    for (let passed = 0; passed < count; passed += 1) await Promise.resolve();
    await scope.stop();
    isStopped = true;
  };
  scope.subscribe(({ operation }) => {
    if (operation === "refresh") void stopLater();
  });
  await expect(scope.patchState({ n: 1 })).rejects.toMatchObject({ code: "SCOPE_STOPPED" });
  await settled();
  expect([isStopped, bridge.saves.length]).toEqual([true, 1]);
});
