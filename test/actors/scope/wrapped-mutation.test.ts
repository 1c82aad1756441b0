import { describe, expect, it } from "vitest";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { OnceMutation } from "../../../actors/scope/once.ts";
import { RunContext } from "../../../actors/scope/reentrancy.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import { DraftState } from "../../../actors/state/draft-state.ts";
import { ContainerScope } from "../../../src/dialects/flow-state/container.ts";
import { RebasedMutation } from "../../../src/dialects/flow-state/rebase.ts";

const draft = new DraftState(Object.freeze({}), { type: "user", id: "1" });
const context = new RunContext(0);

/** The names of parts that a mutation was asked for, with their arguments. */
class Recorded implements Required<Mutation> {
  readonly operation = "patch";
  readonly verifies = true;
  readonly first = true;
  readonly asked: unknown[] = [];

  compute(...given: unknown[]): unknown {
    return this.asked.push("compute", ...given);
  }
  write(...given: unknown[]): void {
    this.asked.push("write", ...given);
  }
  settle(...given: unknown[]): void {
    this.asked.push("settle", ...given);
  }
  answer(...given: unknown[]): unknown {
    return this.asked.push("answer", ...given);
  }
  historyNote(): undefined {
    this.asked.push("historyNote");
  }
  path(): string {
    return String(this.asked.push("path"));
  }
  delta(...given: unknown[]): unknown {
    return this.asked.push("delta", ...given);
  }
}

const containerScope = (): ContainerScope =>
  new ContainerScope({ initial: {}, version: 0, options: {}, owner: null });

/** The parts of a mutation that each wrapper has of its own. */
const wrappers: [string, (inner: Mutation) => Mutation, (keyof Mutation)[]][] = [
  ["WrappedMutation", (inner) => new WrappedMutation(inner), []],
  ["OnceMutation", (inner) => new OnceMutation(inner, "key", 10), ["verifies", "settle", "answer"]],
  ["RebasedMutation", (inner) => new RebasedMutation(inner, containerScope()), []],
];

describe.each(wrappers)("a %s", (_name, wrap, own) => {
  it("W1: passes every part of its mutation on, with all arguments", () => {
    const inner = new Recorded();
    const outer = wrap(inner);
    expect(outer).toMatchObject({ operation: "patch", verifies: true, first: true });
    outer.compute?.(draft.expose(), context);
    outer.write(draft, "computed", 7);
    outer.historyNote?.();
    outer.path?.();
    outer.delta?.("computed");
    const passed = ["compute", draft.expose(), context, "write", draft, "computed", 7];
    expect(inner.asked).toEqual([...passed, "historyNote", "path", "delta", "computed"]);
    inner.asked.length = 0;
    outer.settle?.(draft, "computed");
    expect(inner.asked.slice(0, 3)).toEqual(["settle", draft, "computed"]);
    if (!own.includes("answer")) outer.answer?.(true);
    expect(inner.asked).toContain("answer");
  });

  it("W2: has no part that neither has", () => {
    const outer = wrap({ operation: "patch", write: () => undefined });
    const parts = [
      "verifies",
      "first",
      "compute",
      "settle",
      "answer",
      "historyNote",
      "path",
      "delta",
    ];
    expect(parts.filter((part) => part in outer)).toEqual(own);
  });
});
