/** Opening services: URLs, options, and several services on one store. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  createEvent,
  DatabaseSessionService,
  InMemorySessionService,
  SessionService,
  type Session,
} from "../../../../src/adk.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("adk-services");
const key = { appName: "app", userId: "u", sessionId: "s" };

describe("a database service", () => {
  it("opens sqlite files by URL and closes them", async () => {
    const url = `sqlite://${join(dir, "a.db")}`;
    const first = new DatabaseSessionService(url);
    await first.createSession({ ...key, state: { a: 1 } });
    await first.close();
    await expect(first.getSession(key)).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
    await using second = new DatabaseSessionService(url);
    expect((await second.getSession(key))?.state.getAll()).toEqual({ a: 1 });
    await using third = new DatabaseSessionService("sqlite://:memory:");
    expect(await third.getSession(key)).toBeUndefined();
    await using fourth = new DatabaseSessionService("memory://");
    expect(await fourth.getSession(key)).toBeUndefined();
  });

  it.each(["sqlite://./b.db", "sqlite:///./b.db", "sqlite:///../here/b.db", "sqlite://b.db"])(
    "takes %s from the working directory",
    async (url) => {
      const before = process.cwd();
      const here = join(dir, "here");
      rmSync(here, { recursive: true, force: true });
      mkdirSync(here);
      process.chdir(here);
      try {
        await using service = new DatabaseSessionService(url);
        await service.createSession(key);
        expect(existsSync(join(here, "b.db"))).toBe(true);
      } finally {
        process.chdir(before);
      }
    },
  );

  it("refuses other URLs without showing them", () => {
    for (const url of ["mysql://u:secret@h/db", "sqlite://", "secret", ""]) {
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
  const store = memoryStore();
  const one = new DatabaseSessionService({ runtime: createRuntime({ store }) });
  const two = new InMemorySessionService({ runtime: createRuntime({ store }) });

  afterAll(async () => {
    await one.runtime.close();
    await two.runtime.close();
  });

  /** The session as a service sees it. */
  async function get(service: SessionService): Promise<Session> {
    const session = await service.getSession(key);
    if (session === undefined) throw new Error("there is no session");
    return session;
  }

  it("see each other's appends, and lose none", async () => {
    await one.createSession(key);
    const append = async (service: SessionService, name: string): Promise<void> => {
      const session = await get(service);
      const stateDelta = { [name]: 1, [`user:${name}`]: 1 };
      await service.appendEvent({ session, event: createEvent({ actions: { stateDelta } }) });
    };
    const names = Array.from({ length: 60 }, (_, at) => `k${at}`);
    await Promise.all(
      names.flatMap((name) => [append(one, `one-${name}`), append(two, `two-${name}`)]),
    );
    for (const service of [one, two]) {
      const { events, state } = await get(service);
      expect(new Set(events.map(({ id }) => id)).size).toBe(120);
      expect(Object.keys(state.getAll())).toHaveLength(240);
    }
  });

  it("see each other's deletes, and write nothing to what took the session's place", async () => {
    const stale = await get(one);
    await two.deleteSession(key);
    expect(await one.getSession(key)).toBeUndefined();
    await two.createSession({ ...key, state: { fresh: true } });
    await expect(one.appendEvent(stale, createEvent())).rejects.toMatchObject({
      code: "SESSION_NOT_FOUND",
    });
    const { state } = await get(one);
    // Values of the user outlive the session.
    const has = ["fresh", "one-k0", "user:one-k0"].map((name) => state.has(name));
    expect(has).toEqual([true, false, true]);
  });
});
