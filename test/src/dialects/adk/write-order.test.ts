/** Whose value a key has in the end: writes that are stored in another order than they were made. */
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createEvent,
  InMemorySessionService,
  State,
  type Event,
  type Session,
} from "../../../../src/adk.ts";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("adk-order");
const key = { appName: "app", userId: "u", sessionId: "s" };
const PLACES = ["k", "user:k", "app:k"];
let tests = 0;

/** A context as the kit makes it: the session's values and the delta of an event of its own. */
function context(session: Session): { state: State; event: Event } {
  const event = createEvent({ author: "agent" });
  return { event, state: new State(session.state, event.actions.stateDelta) };
}

async function shown(service: InMemorySessionService): Promise<Record<string, unknown>> {
  return (await service.getSession(key))?.state.getAll() ?? {};
}

describe("an older write that is stored later", () => {
  let runtime: Runtime;
  let service: InMemorySessionService;
  let session: Session;

  beforeEach(async () => {
    runtime = createRuntime({ store: memoryStore() });
    service = new InMemorySessionService({ runtime });
    session = await service.createSession(key);
    return () => runtime.close();
  });

  it.each(PLACES)("takes no newer value back: %s", async (name) => {
    const [older, newer] = [context(session), context(session)];
    older.state.set(name, "older");
    older.state.set("other", 1);
    newer.state.set(name, "newer");
    await service.appendEvent(session, newer.event);
    await service.appendEvent(session, older.event);
    expect(session.state.getAll()).toEqual({ [name]: "newer", other: 1 });
    expect(await shown(service)).toEqual({ [name]: "newer", other: 1 });
    expect(older.event.actions.stateDelta).toEqual({ [name]: "older", other: 1 });
  });

  it("is stored while the newer one is not, and never shown in its place", async () => {
    const [older, newer] = [context(session), context(session)];
    older.state.set("k", "older");
    newer.state.set("k", "newer");
    await service.appendEvent(session, older.event);
    expect(session.state.get("k")).toBe("newer");
    expect(await shown(service)).toEqual({ k: "older" });
    await service.appendEvent(session, newer.event);
    expect([session.state.get("k"), await shown(service)]).toEqual(["newer", { k: "newer" }]);
  });

  it("brings no deleted value back, and deletes no newer one", async () => {
    const [first, second, third] = [context(session), context(session), context(session)];
    first.state.set("k", 1);
    second.state.delete("k");
    await service.appendEvent(session, second.event);
    await service.appendEvent(session, first.event);
    expect([session.state.getAll(), await shown(service)]).toEqual([{}, {}]);
    session.state.set("x", 1);
    third.state.delete("x");
    session.state.set("x", 2);
    await service.commitState(session);
    await service.appendEvent(session, third.event);
    expect([session.state.getAll(), await shown(service)]).toEqual([{ x: 2 }, { x: 2 }]);
  });

  it("yields to what was set on the session, whichever is in the same append", async () => {
    const older = context(session);
    older.state.set("k", "older");
    session.state.set("k", "newer");
    await service.appendEvent(session, older.event);
    expect(await shown(service)).toEqual({ k: "newer" });
    const newer = context(session);
    session.state.set("k", "then");
    newer.state.set("k", "now");
    await service.appendEvent(session, newer.event);
    expect([session.state.get("k"), await shown(service)]).toEqual(["now", { k: "now" }]);
  });

  it("is any write but a delta made by hand, which always applies", async () => {
    const { state, event } = context(session);
    state.set("k", 1);
    await service.appendEvent(session, createEvent({ actions: { stateDelta: { k: 2 } } }));
    await service.appendEvent(session, event);
    expect(await shown(service)).toEqual({ k: 2 });
    await service.appendEvent(session, createEvent({ actions: { stateDelta: { k: 3 } } }));
    expect([session.state.get("k"), await shown(service)]).toEqual([3, { k: 3 }]);
  });

  it("takes nothing back in a session object that no service gave out", async () => {
    const own: Session = { ...session, state: new State() };
    const [older, newer] = [context(own), context(own)];
    older.state.update({ k: 1, "user:k": 1, "app:k": 1, only: 1 });
    newer.state.update({ k: 2, "user:k": 2, "app:k": 2 });
    for (const { event } of [newer, older]) await service.appendEvent(own, event);
    const values = { k: 2, "user:k": 2, "app:k": 2, only: 1 };
    expect([own.state.getAll(), await shown(service)]).toEqual([values, values]);
  });

  it("keeps its time when its append fails and is made again", async () => {
    session.state.set("k", "older");
    session.state.set("bad", () => 1);
    await expect(service.commitState(session)).rejects.toMatchObject({
      code: "STATE_NOT_SERIALIZABLE",
    });
    const other = await service.getSession(key);
    other?.state.set("k", "newer");
    if (other !== undefined) await service.commitState(other);
    session.state.delete("bad");
    await service.commitState(session);
    expect(await shown(service)).toEqual({ k: "newer" });
  });

  it("leaves a bounded trace of deleted keys", async () => {
    for (let at = 0; at < 200; at += 1) session.state.set(`k${at}`, at);
    await service.commitState(session);
    for (let at = 0; at < 200; at += 1) session.state.delete(`k${at}`);
    await service.commitState(session);
    const { ids } = await runtime.list({ type: "adk-session" });
    const record = await runtime.open<{ stamps: object }>("adk-session", ids[0] ?? "");
    expect(Object.keys(record.state.stamps).length).toBeLessThan(100);
  });
});

describe("two runtimes on one store", () => {
  it.each(PLACES)("keep the newer write of %s, whichever is stored first", async (name) => {
    tests += 1;
    const path = join(dir, `order-${tests}.db`);
    const runtimes = [0, 1].map(() =>
      createRuntime({ store: sqliteStore({ path, synchronous: "normal" }) }),
    );
    const [a, b] = runtimes.map((runtime) => new InMemorySessionService({ runtime }));
    if (a === undefined || b === undefined) throw new Error("two services");
    const first = await a.createSession(key);
    const second = await b.getSession(key);
    if (second === undefined) throw new Error("the session is gone");
    const [older, newer] = [context(first), context(second)];
    older.state.set(name, "older");
    newer.state.set(name, "newer");
    await b.appendEvent(second, newer.event);
    await a.appendEvent(first, older.event);
    expect(first.state.get(name)).toBe("newer");
    for (const each of [a, b]) expect(await shown(each)).toEqual({ [name]: "newer" });
    // What was seen is older than what is written on it.
    const third = await a.getSession(key);
    third?.state.set(name, "newest");
    if (third !== undefined) await a.commitState(third);
    expect(await shown(b)).toEqual({ [name]: "newest" });
    for (const runtime of runtimes) await runtime.close();
  });

  it("lets a write win over what it has seen, though the other host's clock is ahead", async () => {
    const store = memoryStore();
    const runtime = createRuntime({ store });
    const service = new InMemorySessionService({ runtime });
    await service.createSession({ ...key, state: { k: 1 } });
    const ahead = (Date.now() + 86_400_000) * 1_000;
    const { ids } = await runtime.list({ type: "adk-session" });
    const record = await runtime.open("adk-session", ids[0] ?? "");
    await record.patchState({ values: { k: 2 }, stamps: { k: ahead } });
    const session = await service.getSession(key);
    session?.state.set("k", 3);
    if (session !== undefined) await service.commitState(session);
    expect(await shown(service)).toEqual({ k: 3 });
    await runtime.close();
  });
});
