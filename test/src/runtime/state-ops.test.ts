import { describe, expect, it } from "vitest";
import { DraftState } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { applyMutation } from "../../../actors/scope/apply-mutation.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import { IncrementMutation, PatchMutation } from "../../../src/runtime/state-ops.ts";

const scope = { type: "user", id: "1" };

function targetOf(state: object): { draft: DraftState; apply: (mutation: Mutation) => unknown } {
  const draft = new DraftState(Object.freeze(state), scope);
  const settings = scopeSettings({}, { checks: null });
  const target = { draft, settings, savesPatches: true, listening: true };
  return { draft, apply: (mutation) => applyMutation(target, mutation, undefined) };
}

describe("arguments of flat fields", () => {
  it("are copied when the mutation is made", () => {
    const updates = { count: 1 };
    const mutation = new PatchMutation(scope, updates);
    updates.count = 2;
    const { draft, apply } = targetOf({ count: 0 });
    apply(mutation);
    expect(draft.expose()).toEqual({ count: 1 });
  });

  it.each([
    ["a symbol key", { count: 1, [Symbol("hidden")]: 1 }],
    ["a function", { count: () => 1 }],
  ])("refuse %s", (_, updates) => {
    expect(() => new PatchMutation(scope, updates)).toThrow(
      expect.objectContaining({ code: "STATE_NOT_SERIALIZABLE" }),
    );
  });

  it("name the field whose getter throws", () => {
    const updates = {
      get broken(): number {
        throw new Error("no value");
      },
    };
    expect(() => new PatchMutation(scope, updates)).toThrow(
      expect.objectContaining({ path: "broken" }),
    );
  });

  it("keep __proto__ an ordinary key", () => {
    const { draft, apply } = targetOf({});
    apply(new PatchMutation(scope, JSON.parse('{"__proto__":1,"a":2}')));
    const state = draft.expose();
    expect(Object.keys(state)).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(state)).toBe(Object.prototype);
  });

  it("are handed out frozen by delta", () => {
    expect(Object.isFrozen(new PatchMutation(scope, { a: 1 }).delta())).toBe(true);
    expect(Object.isFrozen(new IncrementMutation(scope, { a: 1 }).delta())).toBe(true);
  });
});

describe("incState", () => {
  it("writes nothing when one of its fields is no number", () => {
    const { draft, apply } = targetOf({ a: 1, b: "text" });
    expect(apply(new IncrementMutation(scope, { a: 1, b: 1 }))).toMatchObject({ changed: false });
    expect(draft.expose()).toEqual({ a: 1, b: "text" });
  });
});

describe("a draft whose change was handed on", () => {
  it("keeps no patches", () => {
    const { draft, apply } = targetOf({ a: 1 });
    expect(apply(new PatchMutation(scope, { a: 2 }))).toMatchObject({
      patches: [{ op: "replace", path: ["a"], value: 2 }],
    });
    expect([draft.patches, draft.inverse]).toEqual([null, null]);
  });
});
