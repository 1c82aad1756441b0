/** The execution context, in the words of the seed. */
import { describe, expect, it } from "vitest";
import { BindingMismatchError, createExecutionContext } from "../../../../src/flow-state.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";

describe("createExecutionContext", () => {
  it.each(["", "   ", undefined, 5])("requires a userId: %j", async (userId) => {
    const creating = createExecutionContext({ userId: userId as string });
    await expect(creating).rejects.toThrow(TypeError);
    await expect(creating).rejects.toThrow(/requires a userId/);
  });

  it("works without a runtime, and closes the one it made", async () => {
    const context = await createExecutionContext({ userId: "u" });
    expect(await context.user.incState({ visits: 1 })).toBe(true);
    expect(context.user.state).toEqual({ visits: 1 });
    await context[Symbol.asyncDispose]();
    await expect(context.user.patchState({ a: 1 })).rejects.toMatchObject({
      code: "SCOPE_STOPPED",
    });
  });

  it("never closes a runtime it was given", async () => {
    await using runtime = createRuntime();
    const context = await createExecutionContext({ runtime, userId: "u" });
    await context[Symbol.asyncDispose]();
    expect(context.runtime).toBe(runtime);
    expect(await context.user.patchState({ a: 1 })).toBe(true);
  });

  it("gives operations that work unbound, and count null as missing", async () => {
    await using context = await createExecutionContext({ userId: "u", orgId: "o" });
    const { request, session, user, org } = context;
    for (const scope of [request, session, user, org]) {
      if (scope === undefined) throw new Error("there is an organisation");
      const { setState, patchState, incState, pushState, atomicState, ...rest } = scope;
      const { setStateRecord, deleteStateRecord } = rest;
      await setState({ n: null, list: null, map: null });
      expect(await incState({ n: 2 })).toBe(true);
      expect(await pushState("list", "a")).toBe(true);
      expect(await deleteStateRecord("map", "k")).toBe(false);
      expect(await setStateRecord("map", "k", 1)).toBe(true);
      expect(await patchState("n", (n) => Number(n) + 1)).toBe(true);
      expect(await atomicState(({ n }) => ({ twice: Number(n) * 2 }))).toBe(true);
      await expect(incState({ list: 1 })).rejects.toMatchObject({ code: "STATE_TYPE" });
      await expect(patchState([] as never)).rejects.toMatchObject({ code: "STATE_TYPE" });
      expect(scope.state).toEqual({ n: 3, list: ["a"], map: { k: 1 }, twice: 6 });
    }
    const moved = await context.runtime.transaction([user, session], (from, to) => {
      to["moved"] = from["n"];
      delete from["n"];
    });
    expect([moved, session.state["moved"]]).toEqual([true, 3]);
  });

  it("no orgId leaves ctx.org undefined", async () => {
    await using context = await createExecutionContext({ userId: "u" });
    expect(context.org).toBeUndefined();
  });

  it("gives the scopes with their identities", async () => {
    await using context = await createExecutionContext({
      userId: "u",
      sessionId: "s",
      orgId: "o",
      requestId: "r",
    });
    expect(context.session.identity).toEqual({ type: "session", id: "s", userId: "u", orgId: "o" });
    expect(context.user.identity).toMatchObject({ type: "user", id: "u" });
    expect(context.request.identity).toMatchObject({ type: "request", id: "r" });
    expect(context.org?.identity).toMatchObject({ type: "org", id: "o" });
    const versions = [context.session, context.user, context.request].map(({ version }) => version);
    expect(versions).toEqual([0, 0, 0]);
  });

  it("no sessionId gives an ephemeral session", async () => {
    await using context = await createExecutionContext({ userId: "u" });
    expect(context.session.identity.id).toMatch(/^ephemeral_/);
  });

  it("contexts of one runtime share what they name", async () => {
    await using first = await createExecutionContext({ userId: "u", sessionId: "s" });
    const { runtime } = first;
    const second = await createExecutionContext({ runtime, userId: "u", sessionId: "s" });
    await first.session.patchState({ topic: "cats" });
    expect(second.session.state).toEqual({ topic: "cats" });
    expect(second.request.identity.id).not.toBe(first.request.identity.id);
  });

  it.each([
    ["another user", { userId: "v", sessionId: "s", orgId: "o" }],
    ["another org", { userId: "u", sessionId: "s", orgId: "p" }],
    ["a late leave of the org", { userId: "u", sessionId: "s" }],
  ])("a session's binding is immutable: %s", async (_name, options) => {
    await using first = await createExecutionContext({ userId: "u", sessionId: "s", orgId: "o" });
    const { runtime } = first;
    await expect(createExecutionContext({ runtime, ...options })).rejects.toThrow(
      BindingMismatchError,
    );
  });

  it("events carry the versions 1 to 6 of six increments at once", async () => {
    await using context = await createExecutionContext({ userId: "u" });
    const versions: number[] = [];
    context.user.subscribe(({ version }) => versions.push(version));
    const { user } = context;
    await Promise.all(
      Array.from({ length: 6 }, () => user.atomicState(({ n }) => ({ n: Number(n ?? 0) + 1 }))),
    );
    expect(versions).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
