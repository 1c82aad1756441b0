/** Handles: what several holders of one scope share, and what is each one's own. */
import { createRuntime, defineKind, defineSequencer, step } from "holdfast";
import { createActor } from "xstate";
import { describe, expect, it } from "vitest";
import { scopeLogic } from "../../../actors/xstate/scope-logic.ts";
import { residentOf, ScopeHandle } from "../../../src/runtime/handle.ts";
import { settled } from "../../support/waiting.ts";

describe("a handle", () => {
  it("H1: is one of several on one scope, wherever a scope is taken", async () => {
    await using runtime = createRuntime();
    const [one, two] = [await runtime.open("user", "u"), await runtime.open("user", "u")];
    expect(one).not.toBe(two);
    expect(residentOf(one)).toBe(residentOf(two));
    await runtime.transaction([one, two], (first, second) => {
      first["n"] = 1;
      second["m"] = Number(first["n"]) + 1;
    });
    expect(two.state).toEqual({ n: 1, m: 2 });
    await expect(runtime.transaction([{ state: {} }], () => undefined)).rejects.toThrow(TypeError);
    await using other = createRuntime();
    await expect(other.transaction([one], () => undefined)).rejects.toThrow(TypeError);
  });

  it("H2: of an execution and of a resumed run stops alone", async () => {
    await using runtime = createRuntime();
    const mine = await runtime.open("user", "u");
    const seen: number[] = [];
    mine.subscribe(({ version }) => void seen.push(version));
    await runtime.execute({ userId: "u" }, async ({ user }) => {
      await user.patchState({ n: 1 });
      await user.stop();
      await user.patchState({ n: 2 });
    });
    const sequencer = defineSequencer({
      name: "s",
      steps: [
        step("ask", (ctx) => ctx.suspend("why")),
        step("stop", async (ctx) => {
          await ctx.user?.stop();
          await ctx.user?.patchState({ n: 3 });
        }),
      ],
    });
    await runtime.run(sequencer, { runId: "r", scopes: { user: mine } }).result;
    await runtime.resume(sequencer, "r", 1);
    expect(seen).toEqual([1, 2, 3]);
  });

  it("H2: forgets a listener that left, and takes the same one twice", async () => {
    await using runtime = createRuntime();
    const scope = await runtime.open("temp", "t");
    let count = 0;
    const listener = (): void => void (count += 1);
    const [leave] = [scope.subscribe(listener), scope.subscribe(listener)];
    await scope.patchState({ n: 1 });
    leave();
    leave();
    await scope.patchState({ n: 2 });
    await scope.stop();
    await scope.stop();
    await scope.patchState({ n: 3 });
    expect(count).toBe(3);
    expect(residentOf(scope)?.idle).toBe(true);
  });

  it("H2: rejects a stop whose flush failed, when it has let go", async () => {
    await using runtime = createRuntime({
      kinds: { note: defineKind({ durability: "checkpoint" }) },
    });
    const scope = await runtime.open("note", "n");
    const resident = residentOf(scope);
    expect(resident).toBeDefined();
    scope.subscribe(() => undefined);
    Object.assign(resident ?? {}, { flush: () => Promise.reject(new Error("down")) });
    await expect(scope.stop()).rejects.toThrow("down");
    expect(resident?.idle).toBe(true);
    Reflect.deleteProperty(resident ?? {}, "flush");
  });

  it("H3: keeps its scope, which a listener alone keeps, too", async () => {
    await using runtime = createRuntime({ maxResidentScopes: 1 });
    const held = await runtime.open("temp", "held");
    await held.patchState({ n: 1 });
    (await runtime.open("temp", "heard")).subscribe(() => undefined);
    for (let n = 0; n < 20; n += 1) await runtime.open("user", `u${n}`);
    expect((await runtime.open("temp", "held")).state).toEqual({ n: 1 });
    expect(runtime.residentScopes).toBeLessThanOrEqual(2);
  });

  it("can be shown by an XState actor", async () => {
    await using runtime = createRuntime();
    const scope = await runtime.open("user", "u");
    if (!(scope instanceof ScopeHandle)) throw new TypeError("a runtime gives handles");
    const actor = createActor(scopeLogic, { input: { scope } }).start();
    actor.send({ type: "update", recipe: (draft) => void Object.assign(draft, { n: 7 }) });
    await settled();
    expect(actor.getSnapshot()).toMatchObject({ status: "active", context: { version: 1 } });
    expect(scope.actor.getSnapshot().context.state).toEqual({ n: 7 });
    await runtime.close();
    await settled();
    expect(actor.getSnapshot().status).toBe("done");
  });
});
