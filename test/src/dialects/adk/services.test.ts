/** Opening services: URLs, options, and several services on one store. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createEvent,
  DatabaseSessionService,
  InMemorySessionService,
  SessionService,
} from "../../../../src/adk.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("adk-services");
const key = { appName: "app", userId: "u", sessionId: "s" };

describe("a database service", () => {
  it("opens sqlite files by URL and closes them", async () => {
    const url = `sqlite://${join(dir, "a.db")}`;
    const first = new DatabaseSessionService(url);
    await first.createSession({ ...key, state: { a: 1 } });
    await first.close();
    await expect(first.getSession(key)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await using second = new DatabaseSessionService(url);
    expect((await second.getSession(key))?.state.getAll()).toEqual({ a: 1 });
    await using third = new DatabaseSessionService("sqlite://:memory:");
    expect(await third.getSession(key)).toBeUndefined();
    await using fourth = new DatabaseSessionService("memory://");
    expect(await fourth.getSession(key)).toBeUndefined();
  });

  it("refuses other URLs without showing them", () => {
    for (const url of ["postgres://u:secret@h/db", "sqlite://", "secret", ""]) {
      expect(() => new DatabaseSessionService(url)).toThrow(TypeError);
      expect(() => new DatabaseSessionService(url)).not.toThrow(/secret/);
    }
    expect(() => new DatabaseSessionService({} as never)).toThrow(TypeError);
  });
});

describe("the options", () => {
  it("are checked", () => {
    expect(() => new SessionService({ profile: "disk" as never })).toThrow(RangeError);
    expect(() => new SessionService({ conflict: "merge" as never })).toThrow(RangeError);
  });

  it("leave a given runtime open", async () => {
    await using runtime = createRuntime();
    const service = new InMemorySessionService({ runtime });
    await service.close();
    await service.createSession(key);
    const again = new DatabaseSessionService({ runtime });
    expect((await again.getSession(key))?.id).toBe("s");
  });
});

describe("two runtimes on one store", () => {
  it("see each other's sessions, and lose nothing", async () => {
    const store = memoryStore();
    const services = [0, 1].map(
      () => new InMemorySessionService({ runtime: createRuntime({ store }) }),
    );
    const [one, two] = services;
    if (one === undefined || two === undefined) throw new Error("there are two");
    await one.createSession(key);
    await Promise.all(
      services.flatMap((service, which) =>
        Array.from({ length: 60 }, async (_, at) => {
          const session = await service.getSession(key);
          if (session === undefined) throw new Error("it exists");
          const stateDelta = { [`${which}-${at}`]: at, [`user:${which}-${at}`]: at };
          await service.appendEvent({ session, event: createEvent({ actions: { stateDelta } }) });
        }),
      ),
    );
    for (const service of services) {
      const session = await service.getSession(key);
      expect(session?.events).toHaveLength(120);
      expect(new Set(session?.events.map(({ id }) => id)).size).toBe(120);
      expect(Object.keys(session?.state.getAll() ?? {})).toHaveLength(240);
    }
    const stale = await one.getSession(key);
    await two.deleteSession(key);
    expect(await one.getSession(key)).toBeUndefined();
    await two.createSession({ ...key, state: { fresh: true } });
    const database = new DatabaseSessionService({ runtime: one.runtime });
    if (stale === undefined) throw new Error("it existed");
    await expect(database.appendEvent(stale, createEvent())).rejects.toMatchObject({
      code: "SESSION_NOT_FOUND",
    });
    const { state } = (await one.getSession(key)) ?? {};
    // Values of the user outlive the session.
    expect([state?.get("fresh"), state?.has("0-0"), state?.has("user:1-0")]).toEqual([
      true,
      false,
      true,
    ]);
    await one.runtime.close();
    await two.runtime.close();
  });
});
