/** What a turn promises, on every storage. */
import { runTurn, TurnState, useState, type StatefulContext } from "holdfast/turn-state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testDirectory } from "../../../support/directory.ts";
import { findRedis } from "../../../support/redis.ts";
import { activity, placesIn, type Place } from "./places.ts";

const isRedisThere = (await findRedis()) !== undefined;
const places = Object.entries(placesIn(testDirectory("turn-state")));

/** A turn that counts in both scopes, with a pause in which others could get in. */
function count(place: Place, conversation: string, user: string): Promise<void> {
  return runTurn(place.storage, activity(conversation, user), async (state) => {
    const inConversation = state.conversation.get("n", 0) ?? 0;
    const ofUser = state.user.get("n", 0) ?? 0;
    await new Promise(setImmediate);
    state.conversation.set("n", inConversation + 1);
    state.user.set("n", ofUser + 1);
  });
}

describe.each(places)("turns on %s", (name, open) => {
  let place: Place;

  beforeEach(({ skip }) => {
    if (name === "redis" && !isRedisThere) skip();
    place = open();
  });

  afterEach(async () => place?.close());

  async function counted(conversation: string, user: string): Promise<unknown[]> {
    const state = await TurnState.load(place.again, activity(conversation, user));
    return [state.conversation.get("n"), state.user.get("n")];
  }

  it("lose none of 100 in one conversation", async () => {
    await Promise.all(Array.from({ length: 100 }, () => count(place, "c1", "u1")));
    expect(await counted("c1", "u1")).toEqual([100, 100]);
  });

  it("lose none of 100 of one user in ten conversations", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => count(place, `c${i % 10}`, "u1")));
    expect(await counted("c3", "u1")).toEqual([10, 100]);
  });

  it("lose none of 100 of ten users in one conversation", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => count(place, "c1", `u${i % 10}`)));
    expect(await counted("c1", "u3")).toEqual([100, 10]);
  });

  it("keep what they set, in place or not, and forget temp", async () => {
    const value = await runTurn(place.storage, activity("c"), (state) => {
      state.setValue("conversation.cart", { items: ["tea"] });
      state.setValue("USER.name", "Ann");
      state.setValue("scratch", 1);
      return state.getValue("temp.scratch");
    });
    expect(value).toBe(1);
    await runTurn(place.storage, activity("c"), (state) => {
      state.conversation.get<{ items: string[] }>("cart")?.items.push("milk");
    });
    const state = await TurnState.load(place.again, activity("c"));
    expect(state.conversation.get("cart")).toEqual({ items: ["tea", "milk"] });
    expect(state.getValue("user.name")).toBe("Ann");
    expect(state.hasValue("scratch")).toBe(false);
  });

  it("discard what a failing handler did", async () => {
    await count(place, "c", "u");
    const failing = runTurn(place.storage, activity("c", "u"), (state) => {
      state.conversation.set("n", 9);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await counted("c", "u")).toEqual([1, 1]);
  });

  it("delete documents, and keep what is set after", async () => {
    await count(place, "c", "u");
    await runTurn(place.storage, activity("c", "u"), (state) => {
      state.deleteConversationState();
      state.deleteUserState();
      state.user.set("fresh", true);
    });
    const state = await TurnState.load(place.again, activity("c", "u"));
    expect([state.conversation.has("n"), state.user.has("n")]).toEqual([false, false]);
    expect(state.user.get("fresh")).toBe(true);
  });

  it("keep every name an ordinary key", async () => {
    const hostile = ["__proto__", "constructor", "toString", "a.b", ""];
    await runTurn(place.storage, activity("c"), (state) => {
      for (const key of hostile) expect(state.conversation.has(key)).toBe(false);
      for (const key of hostile) state.conversation.set(key, { polluted: key });
    });
    const state = await TurnState.load(place.again, activity("c"));
    for (const key of hostile) expect(state.conversation.get(key)).toEqual({ polluted: key });
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("refuse what JSON cannot hold, and leave the document as it was", async () => {
    await count(place, "c", "u");
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const refused = [10n, Number.NaN, -Infinity, new Map(), new Set(), () => 1, Symbol("s"), cycle];
    for (const value of [...refused, new Uint8Array(1), [undefined], new URL("http://a")]) {
      const turn = runTurn(place.storage, activity("c", "u"), (state) => {
        state.conversation.set("n", 2);
        state.conversation.set("bad", { deep: [value] });
      });
      await expect(turn).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
    }
    expect(await counted("c", "u")).toEqual([1, 1]);
  });

  it("store dates as text and leave undefined out", async () => {
    await runTurn(place.storage, activity("c"), (state) => {
      state.conversation.set("at", new Date(0));
      state.conversation.set("gone", undefined);
      state.conversation.set("part", { a: undefined, b: null });
      expect(state.conversation.has("gone")).toBe(true);
    });
    const state = await TurnState.load(place.again, activity("c"));
    expect(state.conversation.get("at")).toBe("1970-01-01T00:00:00.000Z");
    expect(state.conversation.has("gone")).toBe(false);
    expect(state.conversation.get("part")).toEqual({ b: null });
  });

  it("run as middleware, in line with other turns", async () => {
    const middleware = useState(place.storage);
    const turns = Array.from({ length: 20 }, async () => {
      const context: StatefulContext = { activity: activity("c") };
      return middleware(context, async () => {
        const n = context.state?.conversation.get("n", 0) ?? 0;
        await new Promise(setImmediate);
        context.state?.conversation.set("n", n + 1);
        return "done";
      });
    });
    expect(await Promise.all(turns)).toEqual(turns.map(() => "done"));
    expect((await counted("c", "u1"))[0]).toBe(20);
  });

  it("refuse a turn of the same scope inside a turn", async () => {
    const outer = runTurn(place.storage, activity("c", "u"), () =>
      runTurn(place.storage, activity("other", "u"), () => "never"),
    );
    await expect(outer).rejects.toMatchObject({ code: "REENTRANT_MUTATION" });
    await count(place, "c", "u");
  });

  it("merge disjoint changes of a foreign pipeline", async () => {
    await runTurn(place.storage, activity("c"), (state) => {
      state.conversation.set("profile", { name: "Ann", age: 1 });
    });
    const [one, two] = [
      await TurnState.load(place.storage, activity("c")),
      await TurnState.load(place.again, activity("c")),
    ];
    Object.assign(one.conversation.get("profile") ?? {}, { age: 2 });
    one.user.set("a", 1);
    Object.assign(two.conversation.get("profile") ?? {}, { name: "Bea" });
    two.user.set("b", 2);
    await one.save();
    await two.save();
    const state = await TurnState.load(place.storage, activity("c"));
    expect(state.conversation.get("profile")).toEqual({ name: "Bea", age: 2 });
    expect([state.user.get("a"), state.user.get("b")]).toEqual([1, 2]);
  });

  it("refuse the same place changed twice, even alike", async () => {
    await count(place, "c", "u");
    const states = [
      await TurnState.load(place.storage, activity("c", "u")),
      await TurnState.load(place.again, activity("c", "u")),
    ];
    for (const state of states) state.conversation.set("n", 2);
    await states[0]?.save();
    await expect(states[1]?.save()).rejects.toMatchObject({
      code: "CONCURRENT_MODIFICATION",
      path: "n",
      scope: { type: "conversation", id: "msteams/b1/conversations/c" },
    });
    expect(await counted("c", "u")).toEqual([2, 1]);
  });

  it("refuse to delete what somebody else changed", async () => {
    await count(place, "c", "u");
    const late = await TurnState.load(place.storage, activity("c", "u"));
    late.deleteConversationState();
    await count(place, "c", "u");
    await expect(late.save()).rejects.toMatchObject({ code: "CONCURRENT_MODIFICATION" });
    expect(await counted("c", "u")).toEqual([2, 2]);
  });

  it("save several times in one turn", async () => {
    await runTurn(place.storage, activity("c"), async (state) => {
      const list: number[] = [];
      state.conversation.set("list", list);
      list.push(1);
      await state.save();
      list.push(2);
      await Promise.all([state.save(), state.save()]);
    });
    const state = await TurnState.load(place.again, activity("c"));
    expect(state.conversation.get("list")).toEqual([1, 2]);
  });

  it("merge what was written beside them", async ({ skip }) => {
    const { beside } = place;
    skip(beside === undefined);
    if (beside === undefined) return;
    await runTurn(place.storage, activity("c"), async (state) => {
      state.conversation.set("mine", 1);
      await beside({ "msteams/b1/conversations/c": { theirs: 2 } });
      state.user.set("n", 1);
    });
    const state = await TurnState.load(place.again, activity("c"));
    expect(state.conversation.get("mine")).toBe(1);
    expect(state.conversation.get("theirs")).toBe(2);
    expect(state.user.get("n")).toBe(1);
  });

  it("work with what they have of an activity", async () => {
    const { from: _user, ...half } = activity("c");
    await runTurn(place.storage, half, (state) => {
      state.conversation.set("n", 1);
      expect(() => state.user.get("n")).toThrow("missing required fields");
      expect(() => state.deleteUserState()).toThrow("missing required fields");
    });
    expect(await counted("c", "u1")).toEqual([1, undefined]);
  });

  it("seal the state when they are over", async () => {
    const kept = vi.fn<(state: TurnState) => void>();
    await runTurn(place.storage, activity("c"), kept);
    const state = kept.mock.calls[0]?.[0];
    const sealed = expect.objectContaining({ code: "STATE_SEALED" });
    expect(() => state?.conversation.set("n", 1)).toThrow(sealed);
    expect(() => state?.getValue("user.n")).toThrow(sealed);
    expect(() => state?.deleteTempState()).toThrow(sealed);
    await expect(state?.save()).rejects.toMatchObject({ code: "STATE_SEALED" });
  });
});
