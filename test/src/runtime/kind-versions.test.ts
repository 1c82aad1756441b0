/** The options of a kind's versions, and the steps alone. */
import { expect, it } from "vitest";
import { copyIn } from "../../../actors/state/copy.ts";
import { extrasOf, withExtras } from "../../../actors/state/extras.ts";
import { createRuntime, defineKind } from "../../../src/index.ts";
import { kindVersions, lift } from "../../../src/runtime/kind-versions.ts";
import { isDeepFrozen } from "../../support/frozen.ts";

const scope = { type: "note", id: "a" };
const step = (state: object): object => state;

it.each([0, -1, 1.5, Number.NaN, Infinity])("refuses the version %s", (version) => {
  expect(() => defineKind({ version })).toThrow(RangeError);
  expect(() => createRuntime({ kinds: { note: { version } as never } })).toThrow(/version/);
});

it.each(["1", "4", "0", "-2", "2.5", "02", "two"])("refuses a step to version %s", (key) => {
  expect(() => defineKind({ version: 3, migrate: { [key]: step } })).toThrow(RangeError);
  expect(() => defineKind({ version: 3, migrate: { [key]: step } })).toThrow(`"${key}"`);
});

it("refuses what is no number, no record and no step, and takes undefined", () => {
  for (const version of ["2", null, 2n])
    expect(() => defineKind({ version: version as never })).toThrow(TypeError);
  for (const migrate of [[], null, step, new Map()])
    expect(() => defineKind({ version: 2, migrate: migrate as never })).toThrow(TypeError);
  expect(() => defineKind({ version: 2, migrate: { 2: "step" as never } })).toThrow(TypeError);
  expect(() => defineKind({ migrate: { 2: step } })).toThrow(RangeError);
  expect(kindVersions({ version: undefined, migrate: undefined }).version).toBe(1);
  expect(defineKind({ version: 3, migrate: { 3: step } })).toMatchObject({ version: 3 });
});

it("lets a step name the type of the state that it gets", () => {
  type First = { name: string };
  const kind = defineKind({
    version: 3,
    migrate: { 2: ({ name }: First) => ({ names: [name] }), 3: (state) => ({ ...state, n: 1 }) },
  });
  const state = copyIn({ name: "Ann" }, "");
  const lifted = lift(kindVersions(kind), { kindVersion: 1, state }, scope);
  expect(lifted).toEqual({ names: ["Ann"], n: 1 });
});

it("K1, K2, K4: runs the steps that are left on copies, and keeps the extras", () => {
  const seen: unknown[] = [];
  const change = (to: number) => (state: Record<string, unknown>) => {
    seen.push(state);
    (state["list"] as number[]).push(to);
    return state;
  };
  const migrate = { 2: change(2), 3: change(3), 4: change(4) };
  const versions = kindVersions({ version: 4, migrate });
  const once = Object.freeze({ once: copyIn([["k", 1]] as const, "") });
  const state = withExtras(copyIn({ list: [1], at: new Map([["a", new Date(5)]]) }, ""), once);
  const lifted = lift(versions, { kindVersion: 2, state }, scope);
  expect(lifted).toEqual({ list: [1, 3, 4], at: new Map([["a", new Date(5)]]) });
  expect(state).toMatchObject({ list: [1] });
  expect([isDeepFrozen(lifted), extrasOf(lifted)]).toEqual([true, once]);
  expect(seen).not.toContain(lifted); // What a step keeps is not the state.
  expect(lift(versions, { kindVersion: 4, state }, scope)).toBe(state);
});
