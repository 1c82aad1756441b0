/** The common test suite of JSON Patch implementations, on `fromJsonPatch` and `applyPatches`. */
import specTests from "json-patch-test-suite/spec_tests.json" with { type: "json" };
import tests from "json-patch-test-suite/tests.json" with { type: "json" };
import { describe, expect, it } from "vitest";
import {
  applyPatches,
  fromJsonPatch,
  type JsonPatchOperation,
  toJson,
} from "../../../src/index.ts";

interface Case {
  readonly comment?: string;
  readonly doc: unknown;
  readonly patch: readonly JsonPatchOperation[];
  readonly expected?: unknown;
  readonly error?: string;
  readonly disabled?: boolean;
}

// The package has no types.
const suites = Object.entries({ tests, specTests }) as (readonly [string, unknown])[];

/** A state is an object, so each document is a field of one, and each path leads through it. */
function within(operation: unknown): unknown {
  const moved = { ...Object(operation) };
  for (const name of ["path", "from"])
    if (typeof moved[name] === "string" && /^(?:\/|$)/.test(moved[name]))
      moved[name] = `/doc${moved[name]}`;
  return moved;
}

describe.each(suites)("%s", (_name, suite) => {
  const cases = (suite as readonly Case[]).filter(({ disabled }) => disabled !== true);

  it("has cases", () => expect(cases.length).toBeGreaterThan(15));

  it.each(cases.map((each, at) => [each.comment ?? each.error ?? `case ${at}`, each] as const))(
    "%s",
    (_, { doc, patch, expected, error }) => {
      const state = Object.freeze({ doc });
      const ops = patch.map(within) as JsonPatchOperation[];
      const work = (): unknown =>
        Object(toJson(applyPatches(state, fromJsonPatch(ops, state))))["doc"];
      if (error !== undefined) expect(work).toThrow();
      else if (expected === undefined) expect(work).not.toThrow();
      else expect(work()).toEqual(expected);
    },
  );
});
