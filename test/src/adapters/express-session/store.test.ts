/** The session store of express-session: by itself, and in an application that serves requests. */
import { promisify } from "node:util";
import express from "express";
import session, { type SessionData } from "express-session";
import request, { type Response } from "supertest";
import { describe, expect, it, onTestFinished } from "vitest";
import { HoldfastSessionStore, type SessionStoreOptions } from "../../../../src/express-session.ts";
import {
  createRuntime,
  memoryStore,
  type Runtime,
  type StateStore,
  StoreUnavailableError,
} from "../../../../src/index.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { memoryView } from "../../../support/sequencer.ts";
import { gate, rejection, turned, type Gate } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";

type Fields = Record<string, unknown>;

/** The methods of a store as promises. */
interface Called {
  readonly store: HoldfastSessionStore;
  readonly get: (sid: string) => Promise<Fields | null | undefined>;
  readonly set: (sid: string, fields: Fields) => Promise<unknown>;
  readonly touch: (sid: string, fields: Fields) => Promise<unknown>;
  readonly destroy: (sid: string) => Promise<unknown>;
  readonly all: () => Promise<Fields | undefined>;
  readonly length: () => Promise<number | undefined>;
  readonly clear: () => Promise<unknown>;
}

function called(runtime: Runtime, options?: Partial<SessionStoreOptions>): Called {
  const store = new HoldfastSessionStore({ runtime, ...options });
  const read = promisify(store.get.bind(store));
  const data = (fields: Fields): SessionData => fields as unknown as SessionData;
  return {
    store,
    // Sessions of these tests have any fields.
    get: async (sid) => (await read(sid)) as unknown as Fields,
    set: (sid, fields) => promisify(store.set.bind(store))(sid, data(fields)),
    touch: (sid, fields) => promisify(store.touch.bind(store))(sid, data(fields)),
    destroy: promisify(store.destroy.bind(store)),
    all: promisify(store.all.bind(store)),
    length: promisify(store.length.bind(store)),
    clear: promisify(store.clear.bind(store)),
  };
}

function memoryRuntime(options: Parameters<typeof createRuntime>[0] = {}): Runtime {
  const runtime = createRuntime(options);
  onTestFinished(() => runtime.close());
  return runtime;
}

const cookie = { originalMaxAge: null, path: "/", httpOnly: true };

it("saves a new session whose first save failed while the second one waited", async () => {
  const sending = gate();
  const failing = gate();
  const store = memoryStore();
  let commits = 0;
  const failsOnce: StateStore = {
    ...memoryView(store),
    async commit(...given) {
      commits += 1;
      if (commits > 1) return store.commit(...given);
      sending.open();
      await failing.promise;
      throw new StoreUnavailableError("the store is away");
    },
  };
  const { get, set } = called(memoryRuntime({ store: failsOnce }));
  const data: Fields = { cookie, n: 1 };
  const first = rejection(set("a", data), "STORE_UNAVAILABLE");
  await sending.promise;
  data["n"] = 2;
  const second = set("a", data);
  failing.open();
  await first;
  await second;
  expect(await get("a")).toMatchObject({ n: 2 });
});

await onEachStore("express-session", (place) => {
  it("does what the memory store of express-session does", async () => {
    const runtime = place.open(place.fresh());
    onTestFinished(() => runtime.close());
    const { get, set, destroy, all, length, clear } = called(runtime);
    expect([await get("none"), await length(), await all()]).toEqual([null, 0, {}]);
    await set("a", { cookie, cart: { tea: 1 } });
    await set("b", { cookie, cart: [] });
    expect(await get("a")).toEqual({ cookie, cart: { tea: 1 } });
    expect(await all()).toEqual({
      a: { cookie, cart: { tea: 1 } },
      b: { cookie, cart: [] },
    });
    await destroy("a");
    await destroy("a");
    expect([await get("a"), await length()]).toEqual([null, 1]);
    await clear();
    expect([await get("b"), await length()]).toEqual([null, 0]);
  });

  it("keeps what two requests that read the same session changed", async () => {
    const runtime = place.open(place.fresh());
    onTestFinished(() => runtime.close());
    const { get, set } = called(runtime);
    await set("a", { cookie, user: { name: "Ann", tags: ["x"] }, old: 1, n: 0 });
    const [one, two] = await Promise.all([get("a"), get("a")]);
    Object.assign(one?.["user"] as Fields, { name: "Anna", tags: ["x", "one"] });
    Object.assign(two?.["user"] as Fields, { city: "Rome", tags: ["x", "two"] });
    delete one?.["old"];
    await Promise.all([set("a", one ?? {}), set("a", two ?? {})]);
    expect(await get("a")).toEqual({
      cookie,
      user: { name: "Anna", city: "Rome", tags: ["x", "one", "two"] },
      n: 0,
    });
  });
});

describe("a save", () => {
  it("by someone who read nothing replaces", async () => {
    const { get, set } = called(memoryRuntime());
    await set("a", { cookie, tea: 1 });
    await set("a", { cookie, milk: 1 });
    expect(await get("a")).toEqual({ cookie, milk: 1 });
  });

  it("does not bring back a session that was destroyed, nor does touch", async () => {
    const { get, set, touch, destroy } = called(memoryRuntime());
    await set("a", { cookie });
    const read = await get("a");
    await destroy("a");
    await set("a", Object.assign(read ?? {}, { late: true }));
    await touch("a", read ?? {});
    expect(await get("a")).toBeNull();
  });

  it("of what was saved before writes what is new since then", async () => {
    const { get, set } = called(memoryRuntime());
    const mine: Fields = { cookie, list: ["a"] };
    await set("a", mine);
    const other = (await get("a")) ?? {};
    (other["list"] as string[]).push("other");
    await set("a", other);
    (mine["list"] as string[]).push("b");
    const first = set("a", mine);
    (mine["list"] as string[]).push("c");
    await Promise.all([first, set("a", mine)]);
    expect(await get("a")).toMatchObject({ list: ["a", "other", "b", "c"] });
  });

  it("that fails is made up for by the next one", async () => {
    const clock = simulatedClock();
    const runtime = memoryRuntime({ clock, mutationTimeoutMs: 5 });
    const { get, set } = called(runtime);
    await set("a", { cookie, n: 1 });
    const read = (await get("a")) ?? {};
    read["n"] = 2;
    const scope = await runtime.open("express-session", "a");
    const [begun, end] = [gate(), gate()];
    const section = scope.exclusive(() => {
      begun.open();
      return end.promise;
    });
    await begun.promise;
    await rejection(turned(clock, set("a", read), 5), "SCOPE_MUTATION_TIMEOUT");
    end.open();
    await section;
    await set("a", read);
    expect(await get("a")).toMatchObject({ n: 2 });
  });
});

describe("the time to live", () => {
  it("is that of the cookie, else ttlMs after the last request", async () => {
    const clock = simulatedClock();
    const runtime = memoryRuntime({ clock });
    const { get, set, touch } = called(runtime, { ttlMs: 1_000 });
    const expires = new Date(clock.now() + 5_000).toISOString();
    await set("cookie", { cookie: { ...cookie, expires } });
    await set("ttl", { cookie });
    await set("touched", { cookie });
    await clock.advance(999);
    await touch("touched", { cookie });
    await clock.advance(1);
    expect(await get("ttl")).toBeNull();
    expect(await get("touched")).not.toBeNull();
    await clock.advance(3_999);
    expect(await get("cookie")).not.toBeNull();
    await clock.advance(1);
    expect(await get("cookie")).toBeNull();
  });

  it("is refused when it is not above 0", () => {
    expect(() => called(memoryRuntime(), { ttlMs: 0 })).toThrow(RangeError);
  });
});

declare module "express-session" {
  interface SessionData {
    cart: Record<string, number>;
    views: number;
  }
}

/** An application whose requests to `/add/…` wait for each other before they end. */
function shop(store: session.Store, both: Gate, requests: number): express.Express {
  const app = express();
  let begun = 0;
  app.use(session({ store, secret: "s", resave: false, saveUninitialized: true }));
  app.get("/add/:item", (req, res, next) => {
    begun += 1;
    if (begun === requests) both.open();
    both.promise.then(() => {
      req.session.cart = { ...req.session.cart, [req.params.item]: 1 };
      res.end();
    }, next);
  });
  app.get("/views", (req, res, next) => {
    if (!(store instanceof HoldfastSessionStore)) return next();
    const count = store.update(req.sessionID, (stored) => {
      stored.views = (stored.views ?? 0) + 1;
    });
    count.then(() => res.end(), next);
  });
  app.get("/renew", (req, res) => {
    req.session.regenerate(() => res.end());
  });
  app.get("/out", (req, res) => {
    req.session.destroy(() => res.end());
  });
  app.get("/", (req, res) => {
    res.json(req.session);
  });
  return app;
}

describe("an application", () => {
  const cookieOf = (response: Response): string =>
    response.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

  it("keeps the changes of two requests at once, where the memory store loses one", async () => {
    const runtime = memoryRuntime();
    const stores = [new HoldfastSessionStore({ runtime }), new session.MemoryStore()];
    const carts: unknown[] = [];
    for (const store of stores) {
      const app = shop(store, gate(), 2);
      const user = cookieOf(await request(app).get("/"));
      await Promise.all(
        ["tea", "milk"].map((item) => request(app).get(`/add/${item}`).set("Cookie", user)),
      );
      const { body } = await request(app).get("/").set("Cookie", user);
      carts.push(Object.keys(body.cart).length);
    }
    expect(carts).toEqual([2, 1]);
  });

  it("counts exactly by update, and regenerates and destroys sessions", async () => {
    const runtime = memoryRuntime();
    const app = shop(new HoldfastSessionStore({ runtime }), gate(), 1);
    const user = cookieOf(await request(app).get("/"));
    const get = (path: string): request.Test => request(app).get(path).set("Cookie", user);
    await Promise.all(Array.from({ length: 20 }, () => get("/views")));
    expect((await get("/")).body.views).toBe(20);
    const renewed = cookieOf(await get("/renew"));
    expect(renewed).not.toBe(user);
    expect((await request(app).get("/").set("Cookie", renewed)).body.views).toBeUndefined();
    await request(app).get("/out").set("Cookie", renewed);
    expect((await runtime.list({ type: "express-session" })).ids).toEqual([]);
  });
});
