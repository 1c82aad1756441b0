/** Sessions and scopes: who shares what, and when it ends. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VcrStateError } from "../../../../src/dialects/vcr/error.ts";
import type { Session } from "../../../../src/dialects/vcr/session.ts";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr, vcr as ready } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { places, type Opened } from "./kept.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe.each(places())("sessions on $name", ({ open }) => {
  let opened: Opened;
  beforeEach(async () => {
    opened = await open({ instanceId: "inst-1" });
  });
  afterEach(() => opened.close());

  it("share data by id, and keep what is not theirs apart", async () => {
    const { vcr } = opened;
    await new State(vcr.getSessionById("a")).set("k", 1);
    expect(await new State(vcr.createSessionWithId("a")).get("k")).toBe(1);
    expect(await new State(vcr.getSessionById("b")).get("k")).toBeNull();
    expect(await vcr.getInstanceState().get("k")).toBeNull();
    await vcr.getInstanceState().set("k", 2);
    await vcr.getAccountState().set("k", 3);
    expect(await vcr.getInstanceState().get("k")).toBe(2);
    expect(await vcr.getAccountState().get("k")).toBe(3);
  });

  it("hold namespaces inside, whatever marks names hold", async () => {
    const { vcr } = opened;
    const names = ["a", "b", "a:b", "a/b", "a%3Ab", "a:b:c", "application:inst-1"];
    const states = names.flatMap((id) =>
      [null, "user:1:", "b", "b:c"].map((name) => new State(vcr.getSessionById(id), name)),
    );
    const keys = ["k", "b:k", "c:k", "user:1::k"];
    await Promise.all(states.flatMap((state, at) => keys.map((key) => state.set(key, [at, key]))));
    for (const [at, state] of states.entries()) {
      for (const key of keys) expect(await state.get(key)).toEqual([at, key]);
      expect(await state.keys()).toEqual(keys.toSorted());
    }
  });

  it("show the names of the original", () => {
    const { vcr } = opened;
    const session = vcr.createSessionWithId("conv-1");
    expect(new State(session).namespace).toBe("state:conv-1");
    expect(new State(session, "mine").namespace).toBe("mine");
    expect(vcr.getInstanceState().namespace).toBe("application:inst-1");
    expect(vcr.getAccountState().namespace).toBe("account");
    expect(vcr.getGlobalSession().id).toBe("00000000-0000-0000-0000-000000000000");
    expect(vcr.createSession().id).toMatch(UUID);
  });
});

describe("createVcr", () => {
  /** The code a call throws with. */
  function codeOf(call: () => unknown): string {
    try {
      call();
    } catch (error) {
      if (error instanceof VcrStateError) return error.code;
      throw error;
    }
    return "nothing";
  }

  it("refuses bad sessions", () => {
    const bad = "BAD_SESSION";
    expect(codeOf(() => ready.createSession(-1))).toBe(bad);
    expect(codeOf(() => ready.createSession(1.5))).toBe(bad);
    expect(codeOf(() => ready.createSession(0))).toBe("nothing");
    expect(codeOf(() => ready.createSessionWithId(undefined as never))).toBe("BAD_KEY");
    expect(codeOf(() => ready.createSessionWithId(""))).toBe(bad);
    expect(codeOf(() => ready.getSessionById(null as never))).toBe("BAD_KEY");
    expect(codeOf(() => ready.getSessionById(""))).toBe(bad);
    expect(codeOf(() => new State({ id: "x" } as unknown as Session))).toBe(bad);
    expect(codeOf(() => new State(undefined as never))).toBe(bad);
    expect(codeOf(() => new State(ready.createSession(), 5 as never))).toBe("BAD_KEY");
  });

  it("takes a session from a request", () => {
    const headers = { "x-neru-sessionid": "abc" };
    expect(ready.getSessionFromRequest({ headers }).id).toBe("abc");
    expect(ready.getSessionFromRequest(new Request("http://x", { headers }) as never).id).toBe(
      "abc",
    );
    expect(() => ready.getSessionFromRequest(undefined as never)).toThrow("needs a request");
    expect(() => ready.getSessionFromRequest({} as never)).toThrow("no headers");
    expect(() => ready.getSessionFromRequest({ headers: {} })).toThrow("no header");
  });

  it("refuses two places at once, and closes only what it made", async () => {
    await using runtime = createRuntime();
    expect(() => createVcr({ runtime, redis: "redis://127.0.0.1:1" })).toThrow(TypeError);
    const vcr = createVcr({ runtime });
    await new State(vcr.getSessionById("a")).set("k", 1);
    await vcr.close();
    expect(await new State(createVcr({ runtime }).getSessionById("a")).get("k")).toBe(1);
    const own = createVcr();
    const state = new State(own.getSessionById("a"));
    await state.set("k", 1);
    await own.close();
    await expect(state.get("k")).rejects.toMatchObject({
      name: "VcrStateError",
      op: "get",
      key: "k",
    });
  });

  it("shares namespaces between sessions, and compares by text, when asked to", async () => {
    await using runtime = createRuntime();
    const vcr = createVcr({ runtime, namespaces: "shared", equality: "text" });
    const [a, b] = ["a", "b"].map((id) => new State(vcr.getSessionById(id), "user:1:"));
    await a?.set("k", 1);
    expect(await b?.get("k")).toBe(1);
    expect(await new State(vcr.getSessionById("a")).get("k")).toBeNull();
    await a?.listAppend("l", { a: 1, b: 2 });
    expect(await a?.listRemove("l", { b: 2, a: 1 })).toBe("0");
    expect(await a?.listRemove("l", { a: 1, b: 2 })).toBe("1");
  });

  it("says that Redis is not there", async () => {
    const vcr = createVcr({ redis: "redis://127.0.0.1:1" });
    const state = new State(vcr.getSessionById("a"));
    await expect(state.get("k")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", op: "get" });
    await vcr.close();
  });
});
