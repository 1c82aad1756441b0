/** Requests that lack something get what the original gives for them. */
import * as kit from "@google/adk";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createEvent,
  DatabaseSessionService,
  InMemorySessionService,
  type Event,
  type SessionService,
} from "../../../../src/adk.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";
import { adkStores } from "./adk-stores.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };
const names = ["appName", "userId", "sessionId"] as const;

/** Keys that lack one part, several or all. */
const partial: readonly Record<string, unknown>[] = [
  {},
  ...names.flatMap((name) =>
    [undefined, null, ""].map((part) => Object.assign({ ...key }, { [name]: part })),
  ),
  ...names.map((name) => ({ [name]: key[name] })),
];

// The original warns on the console of each append to an unknown session.
kit.setLogLevel(kit.LogLevel.ERROR);

const odd = (request: unknown): never => request as never;

describe.each(adkStores("adk-requests"))("on $name", ({ name: store, runtime: open }) => {
  let runtime: Runtime;
  let services: readonly SessionService[];
  let original: kit.InMemorySessionService;
  let tests = 0;

  beforeEach(async () => {
    tests += 1;
    runtime = open(`${store}-${tests}`);
    const logger = keepingLogger();
    services = [
      new InMemorySessionService({ runtime, logger }),
      new DatabaseSessionService({ runtime, logger }),
    ];
    original = new kit.InMemorySessionService();
    for (const each of [original, services[0]]) await each?.createSession(key);
    return () => runtime.close();
  });

  it("a key that lacks a part names no session to get or to delete", async () => {
    for (const request of partial) {
      expect(await original.getSession(odd(request))).toBeUndefined();
      await original.deleteSession(odd(request));
      for (const service of services) {
        expect(await service.getSession(odd(request))).toBeUndefined();
        await service.deleteSession(odd(request));
      }
    }
    for (const service of [original, ...services])
      expect(await service.getSession(key)).toBeDefined();
  });

  it("a list without an app, or of an empty user, is an empty page", async () => {
    const lists = [{}, { userId: "u" }, { appName: "" }, { appName: null }];
    const users = [
      { appName: "app", userId: "" },
      { appName: "app", userId: null },
    ];
    const pages = [{}, { limit: 3 }, { limit: 2, page: 4 }, { limit: 2, offset: 5 }, { limit: 0 }];
    for (const list of [...lists, ...users])
      for (const page of pages) {
        const request = odd({ ...list, ...page });
        const wanted = await original.listSessions(request);
        expect(wanted.sessions).toEqual([]);
        for (const service of services) expect(await service.listSessions(request)).toEqual(wanted);
      }
    for (const service of services)
      expect((await service.listSessions({ appName: "app" })).totalItems).toBe(1);
  });

  it("an append to a session object that names none is one to an unknown session", async () => {
    const [memory, database] = services;
    for (const { sessionId: id, ...parts } of partial) {
      const stateDelta = { a: 1, "user:b": 2 };
      const make = (): Event => createEvent({ id: "x", timestamp: 1, actions: { stateDelta } });
      const event = make();
      const session = { ...parts, id, state: {}, events: [] as Event[] };
      const theirs = { ...session, state: {}, events: [] as Event[] };
      expect(await memory?.appendEvent(odd({ session, event }))).toBe(event);
      await original.appendEvent(odd({ session: theirs, event: make() }));
      expect([session.state, session.events]).toEqual([theirs.state, theirs.events]);
      const append = database?.appendEvent(odd({ session, event }));
      await expect(append).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    }
    const stored = await memory?.getSession(key);
    expect([stored?.state.getAll(), stored?.events]).toEqual([{}, []]);
  });

  it("an empty or absent id of a new session asks for one; the rest must be there", async () => {
    const [service] = services;
    for (const sessionId of [undefined, null, ""]) {
      const request = odd({ ...key, sessionId, state: null });
      expect((await service?.createSession(request))?.id).toHaveLength(36);
    }
    for (const request of [{}, { appName: "app" }, { userId: "u" }, { ...key, userId: "" }])
      for (const call of [
        service?.createSession(odd(request)),
        service?.getOrCreateSession(odd(request)),
      ])
        await expect(call).rejects.toMatchObject({ code: "STATE_TYPE" });
  });

  it("no request at all is refused with a typed error", async () => {
    const [service] = services;
    for (const request of [undefined, null, "s"])
      for (const call of [
        service?.createSession(odd(request)),
        service?.getSession(odd(request)),
        service?.getOrCreateSession(odd(request)),
        service?.listSessions(odd(request)),
        service?.deleteSession(odd(request)),
        service?.appendEvent(odd(request)),
      ])
        await expect(call).rejects.toMatchObject({ code: "STATE_TYPE" });
  });

  it("a config may be null, and has no unknown names", async () => {
    const [service] = services;
    expect(await service?.getSession(odd({ ...key, config: null }))).toBeDefined();
    expect(await service?.getSession(odd({ ...key, more: 1 }))).toBeDefined();
    const misspelt = service?.getSession(odd({ ...key, config: { numRecentEvent: 1 } }));
    await expect(misspelt).rejects.toThrow(
      'config of getSession has no option "numRecentEvent"; ' +
        "it has numRecentEvents, afterTimestamp",
    );
  });
});
