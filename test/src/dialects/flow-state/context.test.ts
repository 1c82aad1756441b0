/** The execution context, in the words of the seed. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { BindingMismatchError, createExecutionContext } from "../../../../src/flow-state.ts";
import { createRuntime, defineKind, memoryStore } from "../../../../src/index.ts";

/** The operations as functions that know no object, which is how blocks take them. */
type LooseOps = Record<
  | "patchState"
  | "setState"
  | "incState"
  | "pushState"
  | "setStateRecord"
  | "deleteStateRecord"
  | "atomicState",
  (...given: unknown[]) => Promise<boolean>
>;

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
      const { setState, patchState, incState, pushState, atomicState, ...rest } =
        scope as unknown as LooseOps;
      const { setStateRecord, deleteStateRecord } = rest;
      await setState({ n: null, list: null, map: null });
      expect(await incState({ n: 2 })).toBe(true);
      expect(await pushState("list", "a")).toBe(true);
      expect(await deleteStateRecord("map", "k")).toBe(false);
      expect(await setStateRecord("map", "k", 1)).toBe(true);
      expect(await patchState("n", (n: number) => n + 1)).toBe(true);
      expect(await atomicState(({ n }: { n: number }) => ({ twice: n * 2 }))).toBe(true);
      await expect(incState({ list: 1 })).rejects.toMatchObject({ code: "STATE_TYPE" });
      await expect(patchState([])).rejects.toMatchObject({ code: "STATE_TYPE" });
      expect(scope.state).toEqual({ n: 3, list: ["a"], map: { k: 1 }, twice: 6 });
    }
    const moved = await context.runtime.transaction([user, session], (from, to) => {
      to["moved"] = from["n"];
      delete from["n"];
    });
    expect([moved, session.state["moved"]]).toEqual([true, 3]);
  });

  it("stores the initial states of scopes that have no record, and of no others", async () => {
    await using runtime = createRuntime();
    const ids = { runtime, userId: "u", sessionId: "s", orgId: "o" };
    const sessionState = { topic: "tea", tags: ["a"] };
    const creating = createExecutionContext({
      ...ids,
      requestState: { step: 1 },
      sessionState,
      userState: { name: "Ann" },
      orgState: { plan: "free" },
    });
    sessionState.tags.push("later");
    const { request, session, user, org } = await creating;
    const states = [request, session, user, org].map((scope) => [scope?.state, scope?.version]);
    expect(states).toEqual([
      [{ step: 1 }, 1],
      [{ topic: "tea", tags: ["a"] }, 1],
      [{ name: "Ann" }, 1],
      [{ plan: "free" }, 1],
    ]);
    await session.patchState({ topic: "milk" });
    const again = await createExecutionContext({
      ...ids,
      sessionState: { topic: "coffee", more: true },
      userState: { name: "Bob" },
    });
    expect(again.session.state).toEqual({ topic: "milk", tags: ["a"] });
    expect([again.user.state, again.user.version]).toEqual([{ name: "Ann" }, 1]);
    await user.delete();
    const last = await createExecutionContext({ ...ids, userState: { name: "Eve" } });
    expect(last.user.state).toEqual({ name: "Eve" });
  });

  it("stores one of several initial states that come at once, also from two runtimes", async () => {
    const store = memoryStore();
    const runtimes = [createRuntime({ store }), createRuntime({ store })];
    const names = Array.from({ length: 10 }, (_, n) => ({ [`n${n}`]: n }));
    const contexts = await Promise.all(
      names.map((userState, n) =>
        createExecutionContext({ userId: "u", userState, runtime: runtimes[n % 2] }),
      ),
    );
    const states = await Promise.all(contexts.map(({ user }) => user.read()));
    expect(Object.keys(states[0] ?? {})).toHaveLength(1);
    for (const state of states) expect(state).toEqual(states[0]);
    for (const runtime of runtimes) await runtime.close();
  });

  it("merges initial states over those of the kinds, and checks them", async () => {
    const schema = z.object({ topic: z.string(), mood: z.string().default("good") });
    const kinds = {
      session: defineKind({ schema, initial: { topic: "", mood: "good" } }),
      user: defineKind({ initial: { visits: 0 } }),
    };
    await using runtime = createRuntime({ kinds });
    const context = await createExecutionContext({
      runtime,
      userId: "u",
      sessionState: { topic: "tea" },
      userState: { name: "Ann" },
    });
    expect(context.session.state).toEqual({ topic: "tea", mood: "good" });
    expect(context.user.state).toEqual({ visits: 0, name: "Ann" });
    const create = (options: object) =>
      createExecutionContext({ runtime, userId: "v", ...options });
    const wrong = { code: "STATE_INVALID" };
    await expect(create({ sessionState: { topic: 5 } })).rejects.toMatchObject(wrong);
    await expect(create({ userState: [1] })).rejects.toMatchObject({ code: "STATE_TYPE" });
    await expect(create({ userState: null })).rejects.toMatchObject({ code: "STATE_TYPE" });
    const code = "STATE_NOT_SERIALIZABLE";
    await expect(create({ requestState: { f: () => 1 } })).rejects.toMatchObject({ code });
    await expect(create({ orgState: { a: 1 } })).rejects.toThrow("orgState needs an orgId");
    await expect(create({ sessionstate: {} })).rejects.toThrow(/sessionState/);
  });

  it("stores no initial state in a session that is bound to another user", async () => {
    await using runtime = createRuntime();
    await createExecutionContext({ runtime, userId: "u", sessionId: "s" });
    const others = { runtime, userId: "v", sessionId: "s", sessionState: { a: 1 } };
    await expect(createExecutionContext(others)).rejects.toThrow(BindingMismatchError);
    expect((await runtime.open("session", "s")).state).toEqual({});
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
