/** Opening, executing and binding. */
import { describe, expect, it } from "vitest";
import { CommitUnknownError } from "../../actors/errors.ts";
import type { FeedItem } from "../../actors/protocol.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { add, sameScope, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { rejection, settled } from "../support/waiting.ts";

const HOSTILE_IDS = [
  "__proto__",
  "constructor",
  "../x",
  "..",
  "/",
  "a/b",
  "*",
  "?",
  "%",
  "%2F",
  "_",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udc00\ud800",
  "\uffff",
  " ",
  "x".repeat(4096),
  `${"x".repeat(4095)}y`,
];

function open(runtime: Runtime, type: string): Promise<Scope<Counter>> {
  return runtime.open<Counter>(type, "u");
}

/** Takes `count` items of a reader, or all to its end. */
async function items(reader: AsyncIterable<FeedItem>, count = Infinity): Promise<FeedItem[]> {
  const taken: FeedItem[] = [];
  for await (const item of reader) if (taken.push(item) >= count) break;
  return taken;
}

/** Claims about `open`. */
export function openCases(stores: RuntimeStores): void {
  describe("open", () => {
    it("gives the same actor to every handle", async () => {
      const runtime = new World(stores).runtime();
      const opened = await Promise.all(
        Array.from({ length: 8 }, () => runtime.open<Counter>("user", "u")),
      );
      const later = await runtime.open<Counter>("user", "u");
      for (const each of opened) sameScope(each, later);
      expect(new Set([...opened, later].map(({ actor }) => actor)).size).toBe(1);
      expect((await runtime.open("user", "v")).actor).not.toBe(later.actor);
      expect((await runtime.open("org", "u")).actor).not.toBe(later.actor);
    });

    it("loads a record once for all who open it together", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const loaded: string[] = [];
      store.before = (operation, keys) => {
        if (operation === "load") loaded.push(...keys);
      };
      const runtime = world.runtime({ store });
      await Promise.all(Array.from({ length: 8 }, () => runtime.open("user", "u")));
      expect(loaded).toHaveLength(1);
    });

    it("rejects when the load fails, and succeeds the next time", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      store.before = () => {
        throw new Error("not now");
      };
      const runtime = world.runtime({ store });
      const both = await Promise.allSettled([runtime.open("user", "u"), runtime.open("user", "u")]);
      expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      store.before = () => undefined;
      expect((await runtime.open("user", "u")).version).toBe(0);
    });

    it("names the known kinds when asked for an unknown one", async () => {
      const runtime = new World(stores).runtime({ kinds: { cart: defineKind() } });
      for (const type of ["nope", "__proto__", "constructor", ""])
        await expect(runtime.open(type, "1")).rejects.toThrow(
          /request, session, user, org, sequencer, temp, cart/,
        );
      await expect(runtime.open("nope", "1")).rejects.toBeInstanceOf(TypeError);
    });

    it("keeps every id apart, whatever its characters", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      await Promise.all(
        HOSTILE_IDS.map(async (id, n) => (await runtime.open<Counter>("user", id)).setState({ n })),
      );
      await runtime.close();
      const again = world.runtime();
      for (const [n, id] of HOSTILE_IDS.entries()) {
        const scope = await again.open<Counter>("user", id);
        expect([scope.state, scope.version]).toEqual([{ n }, 1]);
      }
      const { ids } = await again.list({ type: "user" });
      expect(ids).toEqual(HOSTILE_IDS.toSorted());
      expect(Object.hasOwn(Object.prototype, "n")).toBe(false);
    });

    it("refuses ids that are none", async () => {
      const runtime = new World(stores).runtime();
      await expect(runtime.open("user", "")).rejects.toBeInstanceOf(TypeError);
      await expect(runtime.open("user", Object(1) as string)).rejects.toBeInstanceOf(TypeError);
      await expect(runtime.open("user", "x".repeat(4097))).rejects.toBeInstanceOf(RangeError);
    });

    it("leaves no record of a scope nobody wrote", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("user", "u");
      expect([scope.state, scope.version]).toEqual([{}, 0]);
      expect(await scope.patchState({})).toBe(false);
      await runtime.open("draft", "s");
      await runtime.open("temp", "t");
      await runtime.close();
      expect((await world.runtime().list()).scopes).toEqual([]);
      const [record] = await world.store().load(["holdfast/user/u"]);
      expect(record).toBeUndefined();
    });

    it("keeps namespaces apart", async () => {
      const world = new World(stores);
      const spaces = ["a", "a/user", "a%2Fuser", "a.binding", "%binding", "%binding/a"];
      const runtimes = spaces.map((namespace) => world.runtime({ namespace }));
      for (const [n, runtime] of runtimes.entries())
        await (await runtime.open<Counter>("session", "s", { userId: `u${n}` })).setState({ n });
      for (const [n, runtime] of runtimes.entries()) {
        expect((await runtime.open<Counter>("session", "s")).state).toEqual({ n });
        expect((await runtime.list()).scopes).toEqual([{ type: "session", id: "s" }]);
      }
    });

    it("a stop by one holder ends what it subscribed to, and nothing of the others", async () => {
      const runtime = new World(stores).runtime();
      for (const type of ["user", "draft", "temp"]) {
        const [a, b] = [await open(runtime, type), await open(runtime, type)];
        expect(a.actor).toBe(b.actor);
        const seen: string[] = [];
        a.subscribe(() => void seen.push("a"));
        b.subscribe(() => void seen.push("b"));
        const [ending, going] = [a.changes(), b.changes()];
        const [last, next] = [items(ending), items(going, 3)];
        const waiting = b.atomicState(async (state) => add(await Promise.resolve(state)));
        await a.atomicState(add);
        await a.stop();
        expect(await waiting).toBe(true);
        expect((await last).length).toBe(2);
        expect(await a.atomicState(add)).toBe(true);
        expect([b.state, b.version]).toEqual([{ n: 3 }, 3]);
        expect((await next).length).toBe(3);
        expect(seen.join("")).toBe("ababb");
        a.subscribe(() => void seen.push("again"));
        {
          await using c = await open(runtime, type);
          c.subscribe(() => void seen.push("c"));
          await c.atomicState(add);
        }
        await b.atomicState(add);
        expect(seen.slice(5)).toEqual(["b", "again", "c", "b", "again"]);
        sameScope(await open(runtime, type), a);
      }
    });
  });
}

/** Claims about many increments. */
export function orderCases(stores: RuntimeStores, counts: readonly number[]): void {
  it.each(counts)("P1 %i concurrent increments are exact and in order", async (count) => {
    const world = new World(stores);
    const runtime = world.runtime({ mailboxLimit: count });
    const scope = await runtime.open<Counter>("user", "u");
    const seen: number[] = [];
    const done: number[] = [];
    await Promise.all(
      Array.from({ length: count }, (_, at) =>
        scope
          .atomicState((state) => {
            seen[at] = state.n ?? 0;
            return add(state);
          })
          .then(() => done.push(at)),
      ),
    );
    const inOrder = Array.from({ length: count }, (_, at) => at);
    expect(seen).toEqual(inOrder);
    expect(done).toEqual(inOrder);
    expect([scope.state.n, scope.version]).toEqual([count, count]);
    await runtime.close();
    const again = await world.runtime().open<Counter>("user", "u");
    expect([again.state.n, again.version]).toEqual([count, count]);
  });
}

/** Claims about `execute`. */
export function executeCases(stores: RuntimeStores): void {
  describe("execute", () => {
    it("refuses a blank user and names what is missing", async () => {
      const runtime = new World(stores).runtime();
      for (const userId of ["", "  ", undefined as unknown as string])
        await expect(runtime.execute({ userId }, () => 1)).rejects.toThrow(/userId/);
      const blank = { userId: "u", orgId: " " };
      await expect(runtime.execute(blank, () => 1)).rejects.toBeInstanceOf(TypeError);
    });

    it("opens the scopes of a request and gives its result", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const { sessionId } = await runtime.execute({ userId: "u" }, async (ctx) => {
        expect(ctx.org).toBeUndefined();
        expect(ctx.sessionId).toMatch(/^ephemeral_/);
        expect(ctx.session.identity).toMatchObject({ type: "session", userId: "u" });
        expect([ctx.request.version, ctx.session.version, ctx.user.version]).toEqual([0, 0, 0]);
        await ctx.session.patchState({ at: 1 });
        return ctx;
      });
      // It belongs to its user, also later and elsewhere, and nothing was stored to know that.
      const again = await runtime.execute({ userId: "u", sessionId }, (ctx) => ctx.session.state);
      expect(again).toEqual({ at: 1 });
      const foreign = { code: "BINDING_MISMATCH" };
      for (const other of [{ userId: "v" }, { userId: "u", orgId: "o" }])
        await expect(runtime.execute({ ...other, sessionId }, () => 1)).rejects.toMatchObject(
          foreign,
        );
      const id = await runtime.execute({ userId: "u", orgId: "o", requestId: "r" }, (ctx) => {
        expect(ctx.org?.identity).toEqual({ type: "org", id: "o", orgId: "o" });
        expect(ctx.requestId).toBe("r");
        expect(ctx.sessionId).not.toBe(sessionId);
        return ctx.user.identity.id;
      });
      expect(id).toBe("u");
      const failed = runtime.execute({ userId: "u" }, () => Promise.reject(new Error("mine")));
      await expect(failed).rejects.toThrow("mine");
    });

    it("does not keep the request scope in memory", async () => {
      const runtime = new World(stores).runtime();
      const before = runtime.residentScopes;
      await runtime.execute({ userId: "u", sessionId: "s" }, (ctx) =>
        ctx.request.patchState({ a: 1 }),
      );
      await settled();
      expect(runtime.residentScopes - before).toBe(2);
    });

    const owners = [
      [{ userId: "u" }, { userId: "v" }],
      [
        { userId: "u", orgId: "o" },
        { userId: "u", orgId: "p" },
      ],
      [{ userId: "u", orgId: "o" }, { userId: "u" }],
      [{ userId: "u" }, { userId: "u", orgId: "o" }],
    ] as const;

    it.each(owners)(
      "a session bound by %o is closed to %o, in every runtime",
      async (mine, other) => {
        const world = new World(stores);
        const [first, second] = [world.runtime(), world.runtime()];
        const version = await first.execute(
          { ...mine, sessionId: "s" },
          (ctx) => ctx.session.version,
        );
        expect(version).toBe(0);
        for (const runtime of [first, second, first]) {
          await rejection(
            runtime.execute({ ...other, sessionId: "s" }, () => 1),
            "BINDING_MISMATCH",
          );
          await rejection(runtime.open("session", "s", other), "BINDING_MISMATCH");
          expect(await runtime.execute({ ...mine, sessionId: "s" }, () => 1)).toBe(1);
        }
        const found = await second.open("session", "s");
        expect(found.identity).toEqual({ type: "session", id: "s", ...mine });
        expect((await second.list()).scopes).toEqual([]);
      },
    );

    it("a session opened by nobody can still be bound, once", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("session", "s");
      await scope.atomicState(add);
      sameScope(await runtime.open("session", "s", { userId: "u" }), scope);
      await rejection(runtime.open("session", "s", { userId: "v" }), "BINDING_MISMATCH");
      await rejection(runtime.open("session", "s", { orgId: "o" }), "BINDING_MISMATCH");
      await rejection(world.runtime().open("session", "s", { orgId: "o" }), "BINDING_MISMATCH");
    });

    it("a binding whose answer was lost is looked up, and a store that only conflicts is named", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const commit = store.commit.bind(store);
      let lost = 0;
      store.commit = async (writes, options) => {
        await commit(writes, options);
        lost += 1;
        throw new CommitUnknownError();
      };
      const runtime = world.runtime({ store });
      await runtime.open("session", "s", { userId: "u" });
      expect(lost).toBe(1);
      await rejection(runtime.open("session", "s", { userId: "v" }), "BINDING_MISMATCH");
      store.commit = (writes) =>
        Promise.resolve(writes.map(() => ({ ok: false, current: undefined })));
      await rejection(runtime.open("session", "t", { userId: "u" }), "CONCURRENT_MODIFICATION");
    });

    it("of two first binders in two runtimes one wins", async () => {
      const world = new World(stores);
      const [first, second] = [world.runtime(), world.runtime()];
      for (let round = 0; round < 10; round += 1) {
        const sessionId = `s${round}`;
        const ends = await Promise.allSettled([
          first.execute({ userId: "u", sessionId }, () => "u"),
          second.execute({ userId: "v", sessionId }, () => "v"),
          first.execute({ userId: "w", sessionId }, () => "w"),
        ]);
        const won = ends.filter(({ status }) => status === "fulfilled");
        expect(won).toHaveLength(1);
        for (const end of ends)
          if (end.status === "rejected")
            expect(end.reason).toMatchObject({ code: "BINDING_MISMATCH" });
      }
    });
  });
}
