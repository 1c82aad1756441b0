/** Many callers of one scope on an asynchronous store. */
import { describe, expect, it } from "vitest";
import { createScope } from "../../src/runtime/scope.ts";
import { tableBridge } from "../support/table-bridge.ts";

async function contend(count: number, isSlow: boolean): Promise<number> {
  const bridge = tableBridge<{ n: number }>();
  const scope = createScope({ initial: { n: 0 }, persist: bridge, mailboxLimit: count });
  const versions: number[] = [];
  const order: number[] = [];
  scope.subscribe(({ version }) => void versions.push(version));
  const calls = Array.from({ length: count }, (_, index) =>
    scope
      .atomicState(async ({ n }) => {
        if (isSlow) await Promise.resolve();
        return { n: n + 1 };
      })
      .then((changed) => {
        order.push(index);
        return changed;
      }),
  );
  const answers = await Promise.all(calls);
  expect(answers.every(Boolean)).toBe(true);
  expect([scope.state.n, scope.version]).toEqual([count, count]);
  expect(bridge.stored).toEqual({ state: { n: count }, version: count });
  const inOrder = (list: readonly number[], first: number): boolean =>
    list.length === count && list.every((value, index) => value === index + first);
  expect(inOrder(versions, 1)).toBe(true);
  expect(inOrder(order, 0)).toBe(true);
  return bridge.saves.length;
}

async function contendPlain(count: number): Promise<number> {
  const bridge = tableBridge<{ n: number }>();
  const scope = createScope({ initial: { n: 0 }, persist: bridge });
  const calls = Array.from({ length: count }, () => scope.atomicState(({ n }) => ({ n: n + 1 })));
  expect((await Promise.all(calls)).every(Boolean)).toBe(true);
  expect([scope.state.n, scope.version]).toEqual([count, count]);
  return bridge.saves.length;
}

describe("concurrent n + 1 on one scope", () => {
  it("of 100 callers is exact and in order, one save for those called together", async () => {
    await contend(100, true);
    expect(await contendPlain(100)).toBe(1);
  });

  it("of 100,000 callers is exact and in order", async () => {
    expect(await contendPlain(100_000)).toBe(1);
    await contend(100_000, false);
  });
});
