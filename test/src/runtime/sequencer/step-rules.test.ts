/** The options of a step: their defaults, their checks, and the waits between tries. */
import { describe, expect, it } from "vitest";
import { defineSequencer, step, type StepOptions } from "../../../../src/index.ts";
import { backoffMs } from "../../../../actors/scope/retry.ts";
import { stepRules } from "../../../../src/runtime/sequencer/step-rules.ts";

describe("the options of a step", () => {
  it("are one try without a limit unless they say more", () => {
    expect(stepRules({})).toMatchObject({ attempts: 1, timeoutMs: Infinity });
    expect(stepRules({ retry: {}, timeoutMs: undefined })).toEqual({
      attempts: 3,
      baseDelayMs: 1_000,
      maxDelayMs: 60_000,
      jitter: "none",
      timeoutMs: Infinity,
    });
  });

  it.each([
    ["an unknown option", { attempts: 3 }, TypeError],
    ["an unknown option of retry", { retry: { tries: 3 } }, TypeError],
    ["no object", { retry: 3 }, TypeError],
    ["no attempts", { retry: { attempts: 0 } }, RangeError],
    ["attempts that are NaN", { retry: { attempts: Number.NaN } }, RangeError],
    ["a delay that is negative", { retry: { baseDelayMs: -1 } }, RangeError],
    ["a delay that is no number", { retry: { maxDelayMs: "1" } }, RangeError],
    ["another jitter", { retry: { jitter: "half" } }, RangeError],
    ["no time", { timeoutMs: 0 }, RangeError],
    ["a time that is NaN", { timeoutMs: Number.NaN }, RangeError],
  ])("refuse %s", (_, options, kind) => {
    const given = options as StepOptions;
    expect(() => step("a", () => 1, given)).toThrow(kind);
    expect(() => defineSequencer({ name: "s" }).step("a", () => 1, given)).toThrow(kind);
    const listed = { ...given, name: "a", run: () => 1 };
    expect(() => defineSequencer({ name: "s", steps: [listed] })).toThrow(kind);
  });

  it("double the wait up to its bound, also a wait of nothing", () => {
    const none = stepRules({ retry: { baseDelayMs: 0 } });
    expect(backoffMs(none, 5_000, () => 0)).toBe(0);
    const rules = stepRules({ retry: { baseDelayMs: 100, maxDelayMs: 350 } });
    const waits = [1, 2, 3, 4, 5_000].map((failed) => backoffMs(rules, failed, () => 0));
    expect(waits).toEqual([100, 200, 350, 350, 350]);
    const drawn = stepRules({ retry: { baseDelayMs: 100, jitter: "full" } });
    expect(backoffMs(drawn, 2, () => 0.5)).toBe(100);
  });
});

describe("a sequencer that is made step by step", () => {
  it("refuses bad steps, and leaves the one before as it is", () => {
    const one = defineSequencer({ name: "s" }).step("a", () => 1);
    expect(() => one.step("a", () => 2)).toThrow(/same name/);
    expect(() => one.step("", () => 2)).toThrow(/a name/);
    expect(() => one.step("b", 5 as never)).toThrow(/a function/);
    expect(one.step("b", () => 2).steps).toHaveLength(2);
    expect(one.steps).toHaveLength(1);
    expect(() => defineSequencer({ name: "s", input: 5 as never })).toThrow(/input must be/);
  });
});
