/** Session objects: which session each is, what is changed in place, what is missing behind it. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  createEvent,
  InMemorySessionService,
  runTurn,
  State,
  type Session,
} from "../../../../src/adk.ts";
import { PAGE_SIZE } from "../../../../src/dialects/adk/record.ts";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };

interface Nested {
  list: number[];
}

let store: StateStore;
let runtime: Runtime;
let service: InMemorySessionService;
let session: Session;

beforeEach(async () => {
  store = memoryStore();
  runtime = createRuntime({ store });
  service = new InMemorySessionService({ runtime });
  session = await service.createSession({ ...key, state: { nested: { list: [1] } } });
  return () => runtime.close();
});

async function stored(sessionId = "s"): Promise<Session | undefined> {
  return service.getSession({ ...key, sessionId });
}

describe("a session object whose names were changed", () => {
  const rename = (of: Session): void => {
    Object.assign(of, { id: "other", userId: "v", appName: "else" });
  };

  it.each(["the service that gave it out", "another service on the store"])(
    "is still the session it was: with %s",
    async (which) => {
      const other = await service.createSession({
        appName: "else",
        userId: "v",
        sessionId: "other",
      });
      const second = createRuntime({ store });
      const isSame = which === "the service that gave it out";
      const by = isSame ? service : new InMemorySessionService({ runtime: second });
      rename(session);
      await by.appendEvent(
        session,
        createEvent({ content: "x", actions: { stateDelta: { a: 1 } } }),
      );
      const { appName, userId, id } = other;
      const untouched = await by.getSession({ appName, userId, sessionId: id });
      expect([untouched?.events, untouched?.state.getAll()]).toEqual([[], {}]);
      const own = await by.getSession(key);
      expect([own?.events.length, own?.state.get("a")]).toEqual([1, 1]);
    },
  );
});

describe("a value that is changed in place", () => {
  it("is stored when a turn ends, and not when it throws", async () => {
    await runTurn(service, key, ({ state }) => void state.get<Nested>("nested")?.list.push(2));
    expect((await stored())?.state.getAll()).toEqual({ nested: { list: [1, 2] } });
    const failed = runTurn(service, key, ({ state }) => {
      state.get<Nested>("nested")?.list.push(3);
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect((await stored())?.state.getAll()).toEqual({ nested: { list: [1, 2] } });
  });

  it("is stored with the next event, through a context's state too, and in its delta", async () => {
    const event = createEvent({ author: "agent" });
    const state = new State(session.state, event.actions.stateDelta);
    state.get<Nested>("nested")?.list.push(2);
    expect([session.state.hasDelta(), state.hasDelta()]).toEqual([true, false]);
    await service.appendEvent(session, event);
    expect(session.state.hasDelta()).toBe(false);
    expect(event.actions.stateDelta).toEqual({ nested: { list: [1, 2] } });
    expect((await stored())?.events[0]?.actions.stateDelta).toEqual({ nested: { list: [1, 2] } });
  });

  it("is stored again and again through the object that was handed out", async () => {
    const nested = session.state.get<Nested>("nested");
    for (const next of [2, 3, 4]) {
      nested?.list.push(next);
      expect(await service.commitState(session)).toBe(true);
      expect(await service.commitState(session)).toBe(false);
      expect((await stored())?.state.get<Nested>("nested")?.list.at(-1)).toBe(next);
    }
    const saving = service.commitState(session);
    nested?.list.push(5);
    const first = service.commitState(session);
    nested?.list.push(6);
    await Promise.all([saving, first, service.commitState(session)]);
    expect((await stored())?.state.get("nested")).toEqual({ list: [1, 2, 3, 4, 5, 6] });
  });

  it("stays a change when what others stored is taken in, or a save fails", async () => {
    const other = await stored();
    session.state.get<Nested>("nested")?.list.push(2);
    other?.state.set("nested", { list: [9] });
    other?.state.set("more", true);
    if (other !== undefined) await service.commitState(other);
    session.state.set("bad", () => 1);
    await expect(service.commitState(session)).rejects.toThrow();
    session.state.delete("bad");
    expect(session.state.hasDelta()).toBe(true);
    await service.commitState(session);
    const values = { nested: { list: [1, 2] }, more: true };
    expect([session.state.getAll(), (await stored())?.state.getAll()]).toEqual([values, values]);
  });

  it("is refused when it cannot be stored, and nothing is lost", async () => {
    const nested: object | undefined = session.state.get("nested");
    Object.assign(nested ?? {}, { bad: () => 1 });
    session.state.set("a", 1);
    const error = { code: "STATE_NOT_SERIALIZABLE" };
    await expect(service.commitState(session)).rejects.toMatchObject(error);
    Reflect.deleteProperty(nested ?? {}, "bad");
    await service.commitState(session);
    expect((await stored())?.state.getAll()).toEqual({ nested: { list: [1] }, a: 1 });
  });

  it("is no change when it was only read", async () => {
    expect(session.state.get<Nested>("nested")?.list).toEqual([1]);
    expect(session.state.hasDelta()).toBe(false);
    expect(await service.commitState(session)).toBe(false);
  });
});

describe("a session with a page of events missing", () => {
  beforeEach(async () => {
    for (let at = 0; at < 3 * PAGE_SIZE; at += 1)
      await service.appendEvent(session, createEvent({ content: at }));
    const { ids } = await runtime.list({ type: "adk-session-page" });
    const page = await runtime.open("adk-session-page", ids[0] ?? "");
    await page.delete();
  });

  it("is said to be damaged, by every call that needs its events", async () => {
    const damaged = { code: "CORRUPT_STATE", message: expect.stringContaining("session s") };
    await expect(service.getSession(key)).rejects.toMatchObject(damaged);
    await expect(service.getOrCreateSession(key)).rejects.toMatchObject(damaged);
    await expect(runTurn(service, key, () => 1)).rejects.toMatchObject(damaged);
    const recent = await service.getSession({ ...key, config: { numRecentEvents: 3 } });
    expect(recent?.events.map(({ content }) => content)).toEqual([93, 94, 95]);
    await service.deleteSession(key);
    expect((await service.getOrCreateSession(key)).events).toEqual([]);
  });
});
