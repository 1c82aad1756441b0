/** The session services, on every store. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  createEvent,
  DatabaseSessionService,
  Event,
  InMemorySessionService,
  runTurn,
  SessionService,
  State,
  type Session,
} from "../../../../src/adk.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";
import { PAGE_SIZE, type SessionRecord } from "../../../../src/dialects/adk/record.ts";
import { adkStores } from "./adk-stores.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };
let tests = 0;

/** An event that sets state. */
function delta(stateDelta: Record<string, unknown>, fields: object = {}): Event {
  return createEvent({ author: "agent", actions: { stateDelta }, ...fields });
}

describe.each(adkStores("adk"))("sessions on $name", ({ isDurable, runtime: open }) => {
  let runtime: Runtime;
  let service: SessionService;
  let database: SessionService;
  let id = "";

  beforeEach(() => {
    tests += 1;
    id = `t${tests}`;
    runtime = open(id);
    service = new InMemorySessionService({ runtime });
    database = new DatabaseSessionService({ runtime });
    return () => runtime.close();
  });

  async function get(of = service, config = {}): Promise<Session> {
    const session = await of.getSession({ ...key, config });
    if (session === undefined) throw new Error("there is no session");
    return session;
  }

  const texts = (session: Session): unknown[] => session.events.map(({ content }) => content);

  async function fill(count: number, session?: Session): Promise<void> {
    const into = session ?? (await get());
    for (let at = 0; at < count; at++)
      await service.appendEvent({ session: into, event: delta({ at }, { content: at }) });
  }

  describe("creating", () => {
    it("shares app: and user: values, drops temp: ones, and refuses a taken id", async () => {
      const state = { a: 1, "app:b": 2, "user:c": 3, "temp:d": 4, "app:user:e": 5, "user:": 6 };
      const made = await service.createSession({ ...key, state });
      expect(made.state.getAll()).toEqual({
        a: 1,
        "app:b": 2,
        "app:user:e": 5,
        "user:": 6,
        "user:c": 3,
      });
      const other = await service.createSession({ appName: "app", userId: "v" });
      expect(other.id).toHaveLength(36);
      expect(other.state.getAll()).toEqual({ "app:b": 2, "app:user:e": 5 });
      for (const each of [service, database])
        await expect(each.createSession({ ...key, state: { a: 9 } })).rejects.toThrow(
          "Session with id s already exists.",
        );
      expect((await get()).state.get("a")).toBe(1);
    });

    it("lets exactly one of many who create at once win, and gives all of them the same", async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, (_, at) => service.createSession({ ...key, state: { at } })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const wanted = { ...key, sessionId: "t", state: { first: true } };
      const same = await Promise.all(
        Array.from({ length: 10 }, () => service.getOrCreateSession(wanted)),
      );
      expect(same.map(({ state }) => state.getAll())).toEqual(
        Array.from({ length: 10 }, () => ({ first: true })),
      );
    });

    it("keeps ids apart that look alike", async () => {
      const keys = [
        { appName: "a/b", userId: "c", sessionId: "d" },
        { appName: "a", userId: "b/c", sessionId: "d" },
        { appName: "a", userId: "b", sessionId: "c/d" },
        { appName: "a%2Fb", userId: "c", sessionId: "d" },
        { appName: "__proto__", userId: "constructor", sessionId: "toString" },
      ];
      for (const [at, each] of keys.entries())
        await service.createSession({ ...each, state: { at } });
      for (const [at, each] of keys.entries())
        expect((await service.getSession(each))?.state.getAll()).toEqual({ at });
      expect((await service.listSessions({ appName: "a" })).totalItems).toBe(2);
    });
  });

  describe("appending", () => {
    beforeEach(async () => void (await service.createSession(key)));

    it("stores events and values in order, null as data, undefined as a deletion", async () => {
      const session = await get();
      const first = delta({ a: 1, b: null, "user:c": 1, "app:d": 1 }, { timestamp: 0 });
      expect(await service.appendEvent({ session, event: first })).toBe(first);
      await service.appendEvent(session, delta({ a: undefined, "app:d": undefined, e: 2 }));
      const values = { b: null, "user:c": 1, e: 2 };
      expect(session.state.getAll()).toEqual(values);
      expect(session.events[0]).toBe(first);
      const stored = await get();
      expect(stored.state.getAll()).toEqual(values);
      expect(stored.events).toEqual(session.events);
      expect(stored.events[0]).toBeInstanceOf(Event);
      expect(stored.events[0]?.timestamp).toBe(0);
    });

    it("takes temp: keys off the event and into the working copy", async () => {
      const session = await get();
      const event = delta({ a: 1, "temp:b": 2 });
      const given = event.actions.stateDelta;
      await service.appendEvent({ session, event });
      expect(event.actions.stateDelta).toEqual({ a: 1 });
      expect(given).toEqual({ a: 1, "temp:b": 2 });
      expect(session.state.get("temp:b")).toBe(2);
      await service.appendEvent({ session, event: delta({ c: 1 }) });
      expect(session.state.getAll()).toEqual({ a: 1, "temp:b": 2, c: 1 });
      expect((await get()).state.getAll()).toEqual({ a: 1, c: 1 });
    });

    it("stores nothing of a partial event", async () => {
      const session = await get();
      const event = delta({ a: 1, "user:b": 2 }, { partial: true });
      for (const each of [service, database])
        expect(await each.appendEvent({ session, event })).toBe(event);
      expect(session.events).toEqual([]);
      expect((await get()).state.getAll()).toEqual({});
    });

    it("shares nothing with the caller", async () => {
      const session = await get();
      const list = [1];
      await service.appendEvent({ session, event: delta({ list }, { content: { list } }) });
      list.push(2);
      session.state.get<number[]>("list")?.push(3);
      const again = await get();
      expect(again.state.getAll()).toEqual({ list: [1] });
      expect(again.events[0]?.content).toEqual({ list: [1] });
      again.state.get<number[]>("list")?.push(4);
      expect((await get()).state.getAll()).toEqual({ list: [1] });
    });

    it("keeps what was set on the state, never what was written as a property", async () => {
      const session = await get();
      session.state.set("a", 1);
      session.state["b"] = 2;
      const event = delta({ c: 3 });
      await service.appendEvent({ session, event });
      expect(event.actions.stateDelta).toEqual({ a: 1, c: 3 });
      expect(session.state.getAll()).toEqual({ a: 1, b: 2, c: 3 });
      expect((await get()).state.getAll()).toEqual({ a: 1, c: 3 });
      expect(session.state.hasDelta()).toBe(false);
      expect(await service.commitState(session)).toBe(false);
      session.state.delete("a");
      expect(await service.commitState(session)).toBe(true);
      expect((await get()).state.getAll()).toEqual({ c: 3 });
      expect((await get()).events).toHaveLength(1);
    });

    it("puts an event with a known id in the place of that event", async () => {
      const [one, two] = [await get(), await get()];
      await service.appendEvent(one, delta({ a: 1 }, { id: "x", content: "old" }));
      await service.appendEvent(one, delta({}, { id: "y", content: "y" }));
      const event = delta({ b: 2 }, { id: "x", content: "new" });
      await service.appendEvent(two, event);
      expect(texts(two)).toEqual(["new", "y"]);
      expect(two.events[0]).toBe(event);
      await service.appendEvent(one, delta({}, { id: "z", content: "z" }));
      expect(texts(one)).toEqual(["new", "y", "z"]);
      expect((await get()).state.getAll()).toEqual({ a: 1, b: 2 });
    });

    it("brings an outdated session up to date", async () => {
      const [one, two] = [await get(), await get()];
      one.state["own"] = 1;
      await Promise.all(
        ["a", "b", "c"].map((name) =>
          service.appendEvent(two, delta({ [name]: name, "app:x": name }, { content: name })),
        ),
      );
      await service.appendEvent(one, delta({ d: "d", b: undefined }, { content: "d" }));
      expect(texts(one)).toEqual(["a", "b", "c", "d"]);
      expect(one.state.getAll()).toEqual({ own: 1, a: "a", c: "c", d: "d", "app:x": "c" });
    });

    it("refuses an outdated session when strict, but not its own appends", async () => {
      const strict = new SessionService({ runtime, conflict: "strict" });
      const [one, two] = [await get(strict), await get(strict)];
      await Promise.all([0, 1, 2].map((at) => strict.appendEvent(one, delta({ at }))));
      const late = strict.appendEvent(two, delta({ late: 1, "user:late": 1 }));
      await expect(late).rejects.toMatchObject({ code: "CONCURRENT_MODIFICATION" });
      expect((await get()).state.getAll()).toEqual({ at: 2 });
      const [three, four] = [
        await get(strict),
        await service.createSession({ ...key, sessionId: "o" }),
      ];
      await service.appendEvent(four, delta({ "user:x": 1 }));
      await strict.appendEvent(three, delta({ fresh: true }));
      expect(three.state.getAll()).toEqual({ at: 2, fresh: true, "user:x": 1 });
    });

    it("takes session objects it never gave out", async () => {
      const plain = { ...(await get()), state: new State({ temp: 1 }), events: [] as Event[] };
      await database.appendEvent(plain, delta({ a: 1 }));
      expect([plain.state.getAll(), plain.events.length]).toEqual([{ temp: 1, a: 1 }, 1]);
      expect((await get()).state.getAll()).toEqual({ a: 1 });
    });

    it("loses nothing of 100 appends at once, from many objects and from one", async () => {
      const one = await get();
      const work = Array.from({ length: 100 }, async (_, at) => {
        const session = at % 2 === 0 ? one : await get();
        await service.appendEvent(session, delta({ [`k${at}`]: at, "user:last": at }));
      });
      await Promise.all(work);
      const stored = await get();
      expect(stored.events).toHaveLength(100);
      expect(Object.keys(stored.state.getAll())).toHaveLength(101);
      await service.appendEvent(one, delta({}));
      const now = await get();
      expect(one.events.map((event) => event.id)).toEqual(now.events.map((event) => event.id));
      expect(one.state.getAll()).toEqual(now.state.getAll());
    });

    it("keeps the order of calls that were not awaited", async () => {
      const session = await get();
      const calls = Array.from({ length: 80 }, (_, at) =>
        service.appendEvent(
          session,
          delta(at % 3 === 0 ? { "user:x": at } : { at }, { content: at }),
        ),
      );
      await Promise.all(calls);
      expect(texts(await get())).toEqual(Array.from({ length: 80 }, (_, at) => at));
      expect(texts(session)).toEqual(Array.from({ length: 80 }, (_, at) => at));
    });
  });

  describe("a long history", () => {
    const count = 3 * PAGE_SIZE + 7;

    it("leaves the session's record small and comes back whole and in order", async () => {
      const session = await service.createSession(key);
      await fill(count, session);
      const scope = await runtime.open<SessionRecord>("adk-session", "app/u/s");
      expect(Object.values(scope.state.tail).flat().length).toBeLessThan(2 * PAGE_SIZE);
      const numbers = Array.from({ length: count }, (_, at) => at);
      expect(texts(await get())).toEqual(numbers);
      expect(texts(session)).toEqual(numbers);
      for (const recent of [0, 1, 40, 70, count, count + 1])
        expect(texts(await get(service, { numRecentEvents: recent }))).toEqual(
          numbers.slice(Math.max(0, count - recent)),
        );
    });

    it("opens no page for the latest events", async () => {
      await service.createSession(key);
      await fill(count);
      const fresh = isDurable ? await reopened() : runtime;
      const before = fresh.residentScopes;
      const recent = new SessionService({ runtime: fresh });
      expect((await get(recent, { numRecentEvents: 10 })).events).toHaveLength(10);
      expect(fresh.residentScopes - before).toBeLessThanOrEqual(3);
    });

    it("reaches an object that missed pages of it", async () => {
      const [one, two] = [await service.createSession(key), await get()];
      await fill(3 * PAGE_SIZE, two);
      await service.appendEvent(one, delta({}, { content: "last" }));
      expect(texts(one)).toEqual(texts(await get()));
    });

    it("is gone with the session", async () => {
      await service.createSession(key);
      await fill(3 * PAGE_SIZE);
      await service.deleteSession(key);
      expect((await runtime.list({ type: "adk-session-page" })).ids).toEqual([]);
      expect((await service.createSession(key)).events).toEqual([]);
    });

    async function reopened(): Promise<Runtime> {
      await runtime.close();
      runtime = open(id);
      return runtime;
    }

    it.runIf(isDurable)("outlives the process", async () => {
      await service.createSession({ ...key, state: { a: 1, "user:b": 2 } });
      await fill(count);
      const after = new DatabaseSessionService({ runtime: await reopened() });
      const session = await get(after);
      expect(session.events).toHaveLength(count);
      expect(session.state.getAll()).toEqual({ a: 1, at: count - 1, "user:b": 2 });
    });
  });

  it("finishes a session that is being created when the runtime closes, and begins no other", async () => {
    const state = { a: 1, "user:b": 2, "app:c": 3 };
    const made = service.createSession({ ...key, state });
    const closing = runtime.close();
    const late = service.createSession({ ...key, sessionId: "late" });
    await expect(late).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    expect((await made).state.getAll()).toEqual(state);
    await closing;
  });

  describe("selecting by time", () => {
    it("gives what follows the last older event, or what is newer", async () => {
      await service.createSession(key);
      const session = await get();
      for (const timestamp of [10, 30, 20, 30, 40])
        await service.appendEvent(session, delta({}, { timestamp, content: timestamp }));
      const at = async (of: SessionService, config: object): Promise<unknown[]> =>
        texts(await get(of, config));
      expect(await at(service, { afterTimestamp: 30 })).toEqual([30, 40]);
      expect(await at(database, { afterTimestamp: 20 })).toEqual([30, 30, 40]);
      expect(await at(service, { afterTimestamp: 30, numRecentEvents: 1 })).toEqual([40]);
      expect(session.lastUpdateTime).toBe(40);
    });
  });

  describe("deleting", () => {
    it("makes a session unknown, for objects from before it was made anew too", async () => {
      const session = await service.createSession({ ...key, state: { "user:a": 1 } });
      await service.deleteSession(key);
      await service.deleteSession(key);
      expect(await service.getSession(key)).toBeUndefined();
      await expect(database.appendEvent(session, delta({ "user:b": 1 }))).rejects.toMatchObject({
        code: "SESSION_NOT_FOUND",
        message: "Session s not found for appendEvent",
      });
      const made = await service.createSession(key);
      await expect(database.appendEvent(session, delta({ b: 1 }))).rejects.toThrow("not found");
      expect(made.state.getAll()).toEqual({ "user:a": 1 });
      const logger = keepingLogger();
      const quiet = new InMemorySessionService({ runtime, logger });
      const event = delta({ "user:b": 1 });
      expect(await quiet.appendEvent(session, event)).toBe(event);
      expect(logger.messages).toEqual(["session not found; nothing was stored"]);
      expect((await get()).state.getAll()).toEqual({ "user:a": 1 });
      expect((await get()).events).toEqual([]);
    });
  });

  describe("listing", () => {
    it("pages, orders, and gives state as the profile says", async () => {
      for (const [at, sessionId] of ["c", "a", "b", "d"].entries()) {
        const session = await service.createSession({ ...key, sessionId, state: { at } });
        const timestamp = sessionId === "c" ? 5 : 7;
        await service.appendEvent(session, delta({}, { timestamp }));
      }
      await service.createSession({ appName: "app", userId: "v", sessionId: "e" });
      const list = async (request: object, of = service): Promise<unknown> => {
        const { sessions, ...rest } = await of.listSessions({ appName: "app", ...request });
        return { ids: sessions.map((each) => each.id), ...rest };
      };
      expect(await list({})).toEqual({
        ids: ["a", "b", "c", "d", "e"],
        page: 1,
        limit: 5,
        totalItems: 5,
        totalPages: 1,
      });
      expect(await list({ userId: "u", order: "asc", limit: 2, page: 2 })).toEqual({
        ids: ["b", "d"],
        page: 2,
        limit: 2,
        totalItems: 4,
        totalPages: 2,
      });
      expect(await list({ userId: "u", order: "desc" })).toMatchObject({
        ids: ["a", "b", "d", "c"],
      });
      expect(await list({ limit: 0 })).toMatchObject({ ids: [], totalPages: 0 });
      expect(await list({ limit: 2, page: 9 })).toMatchObject({ ids: [], totalPages: 3 });
      expect(await list({ page: 3, offset: 4 })).toMatchObject({ ids: ["e"], page: 1, limit: 5 });
      expect(await list({ appName: "none" })).toMatchObject({ totalItems: 0, totalPages: 0 });
      const [first] = (await database.listSessions({ appName: "app" })).sessions;
      expect([first?.state.getAll(), first?.events]).toEqual([{ at: 1 }, []]);
      const [bare] = (await service.listSessions({ appName: "app" })).sessions;
      expect(bare?.state.getAll()).toEqual({});
    });
  });

  describe("turns", () => {
    const count = 100;

    async function increment(session: Session | undefined, name: string): Promise<void> {
      const fresh = session ?? (await get());
      const n = fresh.state.get<number>(name, 0) ?? 0;
      await service.appendEvent(fresh, delta({ [name]: n + 1 }));
    }

    it("count to 100 over a session, in the order they were asked for", async () => {
      await service.createSession(key);
      const order: number[] = [];
      const turns = Array.from({ length: count }, (_, at) =>
        runTurn(service, key, async (session) => {
          order.push(at);
          await increment(session, "n");
          return at;
        }),
      );
      const numbers = Array.from({ length: count }, (_, at) => at);
      expect(await Promise.all(turns)).toEqual(numbers);
      expect(order).toEqual(numbers);
      expect((await get()).state.get("n")).toBe(count);
    });

    it("count over a user and over an app", async () => {
      await service.createSession(key);
      const { appName, userId } = key;
      await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          at % 2 === 0
            ? runTurn(service, { appName, userId }, () => increment(undefined, "user:n"))
            : runTurn(database, { appName }, () => increment(undefined, "app:n")),
        ),
      );
      expect((await get()).state.getAll()).toEqual({ "user:n": 10, "app:n": 10 });
    });

    it("store what was set when they end well, and nothing when they throw", async () => {
      await service.createSession(key);
      const turn = Array.from({ length: count }, () =>
        runTurn(service, key, ({ state }) => state.set("n", (state.get<number>("n") ?? 0) + 1)),
      );
      await Promise.all(turn);
      const failed = runTurn(service, key, ({ state }) => {
        state.set("n", 0);
        throw new Error("no");
      });
      await expect(failed).rejects.toThrow("no");
      expect((await get()).state.getAll()).toEqual({ n: count });
      expect((await get()).events).toEqual([]);
    });

    it("leave the queue when their signal says so", async () => {
      await service.createSession(key);
      let end = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        end = resolve;
      });
      const first = runTurn(service, key, () => gate);
      const abort = new AbortController();
      const second = runTurn(service, key, () => "ran", { signal: abort.signal });
      const third = runTurn(service, key, () => 3);
      const reason = new Error("enough");
      abort.abort(reason);
      await expect(second).rejects.toBe(reason);
      end();
      expect([await first, await third]).toEqual([undefined, 3]);
    });

    it("let appends from outside go on, and refuse themselves", async () => {
      await service.createSession(key);
      await runTurn(service, key, async (session) => {
        await service.appendEvent(await get(), delta({ outside: 1 }));
        await expect(runTurn(service, key, () => 1)).rejects.toMatchObject({
          code: "REENTRANT_MUTATION",
        });
        await runTurn(service, { ...key, sessionId: undefined }, () => undefined);
        await service.appendEvent(session, delta({ inside: 1 }));
        expect(session.state.getAll()).toEqual({ outside: 1, inside: 1 });
      });
      await expect(runTurn(service, { ...key, sessionId: "x" }, () => 1)).rejects.toMatchObject({
        code: "SESSION_NOT_FOUND",
      });
      expect(await runTurn(service, key, () => 7)).toBe(7);
    });
  });

  describe("what it refuses", () => {
    beforeEach(async () => void (await service.createSession(key)));

    it("is refused with nothing stored", async () => {
      const session = await get();
      const cycle: Record<string, unknown> = {};
      cycle["self"] = cycle;
      const fun = (): number => 1;
      for (const bad of [cycle, fun, Symbol("x"), new State()]) {
        const append = service.appendEvent(session, delta({ ok: 1, "user:ok": 1, bad }));
        await expect(append).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
        await expect(
          service.createSession({ ...key, sessionId: "n", state: { bad } }),
        ).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
      }
      for (const content of [cycle, fun])
        await expect(service.appendEvent(session, delta({}, { content }))).rejects.toMatchObject({
          code: "STATE_NOT_SERIALIZABLE",
        });
      expect(await service.getSession({ ...key, sessionId: "n" })).toBeUndefined();
      const now = await get();
      expect([now.state.getAll(), now.events, session.events]).toEqual([{}, [], []]);
      await service.appendEvent(session, delta({ big: 2n ** 70n, none: [undefined] }));
      expect((await get()).state.getAll()).toEqual({ big: 2n ** 70n, none: [undefined] });
    });

    it("takes prototype names as keys of their own", async () => {
      const session = await get();
      const odd = JSON.parse('{"__proto__":{"evil":1},"constructor":1,"toString":2,"get":3}');
      const more = JSON.parse('{"user:__proto__":4,"app:__proto__":5}');
      await service.appendEvent(session, delta({ ...odd, ...more }));
      for (const { state } of [session, await get()]) {
        expect(Object.entries(state.getAll())).toHaveLength(6);
        expect(state.get("__proto__")).toEqual({ evil: 1 });
        expect([state.get("constructor"), state.get("get"), state.has("evil")]).toEqual([
          1,
          3,
          false,
        ]);
      }
    });

    it("says what is wrong with a request", async () => {
      const session = await get();
      const odd = (value: unknown): never => value as never;
      const type = { code: "STATE_TYPE" };
      const calls: Promise<unknown>[] = [
        service.createSession(odd({ userId: "u" })),
        service.createSession(odd({ appName: "", userId: "u" })),
        service.createSession(odd({ ...key, sessionId: 5 })),
        service.createSession(odd({ ...key, sessionId: "q", state: [1] })),
        service.getSession(odd({ ...key, userId: 5 })),
        service.appendEvent(session, odd(null)),
        service.appendEvent(session, odd({ id: "x", timestamp: "now" })),
        service.appendEvent(session, odd({ id: 1, timestamp: 1 })),
        service.appendEvent(session, odd({ id: "x", timestamp: 1, actions: { stateDelta: [] } })),
        service.listSessions(odd({ appName: 5 })),
        service.deleteSession(odd({ appName: "app", userId: "u", sessionId: {} })),
        runTurn(service, odd({ appName: "app", sessionId: "s" }), () => 1),
      ];
      calls.push(service.appendEvent(odd({ session: null, event: delta({}) })));
      calls.push(service.appendEvent(odd({ ...session, state: 1 }), delta({})));
      for (const call of calls) await expect(call).rejects.toMatchObject(type);
      const ranges = [
        service.getSession({ ...key, config: { numRecentEvents: -1 } }),
        service.getSession({ ...key, config: { numRecentEvents: 1.5 } }),
        service.getSession({ ...key, config: { afterTimestamp: Number.NaN } }),
        service.listSessions({ appName: "app", limit: -1 }),
        service.listSessions({ appName: "app", limit: 1, page: 0 }),
        service.listSessions({ appName: "app", order: odd("up") }),
      ];
      for (const call of ranges) await expect(call).rejects.toThrow(RangeError);
      await service.appendEvent(session, odd({ id: "bare", timestamp: 1 }));
      expect((await get()).events[0]).toStrictEqual({ id: "bare", timestamp: 1 });
    });
  });
});
