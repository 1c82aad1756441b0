/** What a change costs beside the change: a state is frozen only for who looks at it. */
import { expect, it, onTestFinished, vi } from "vitest";
import { DraftState } from "../../../actors/state/draft-state.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { createScope } from "../../../src/runtime/scope.ts";

interface Log {
  list: number[];
}

/** A frozen array is copied by the next push: this is what makes a push cost its whole list. */
async function exposesOf(scope: {
  pushState(field: "list", value: number): Promise<boolean>;
}): Promise<number> {
  await scope.pushState("list", 0);
  const expose = vi.spyOn(DraftState.prototype, "expose");
  onTestFinished(() => expose.mockRestore());
  const pushes = Array.from({ length: 200 }, (_, at) => scope.pushState("list", at));
  const count = expose.mock.calls.length;
  expect(await Promise.all(pushes)).not.toContain(false);
  return count;
}

it("a scope of its own freezes nothing while it is pushed to", async () => {
  expect(await exposesOf(createScope<Log>({ initial: { list: [] } }))).toBe(0);
});

it.each([
  ["volatile", {}],
  ["volatile", { ttlMs: 10_000 }],
  ["checkpoint", {}],
  ["checkpoint", { ttlMs: 10_000 }],
] as const)("R27: neither does a %s scope of a runtime, with %j", async (durability, life) => {
  const kinds = { log: defineKind({ durability, ...life }) };
  await using runtime = createRuntime({ kinds });
  expect(await exposesOf(await runtime.open<Log>("log", "l"))).toBe(0);
});

it("a kind whose states say when they end has each looked at once", async () => {
  const kinds = { log: defineKind({ durability: "volatile", livesUntil: () => Infinity }) };
  await using runtime = createRuntime({ kinds });
  expect(await exposesOf(await runtime.open<Log>("log", "l"))).toBeLessThanOrEqual(3 * 200);
});
