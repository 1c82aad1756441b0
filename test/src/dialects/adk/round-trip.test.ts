/** Events come back as what they were: own keys, open fields, the mark, prototypes. */
import * as kit from "@google/adk";
import { describe, expect, it } from "vitest";
import {
  createEvent,
  Event,
  EventActions,
  InMemorySessionService,
  type Session,
} from "../../../../src/adk.ts";
import { thawEvent, type StoredEvent } from "../../../../src/dialects/adk/event.ts";
import { PAGE_SIZE } from "../../../../src/dialects/adk/record.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";
import { adkStores } from "./adk-stores.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };

/** All that makes an event what it is; of a value within it too. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(shapeOf);
  const fields = Reflect.ownKeys(value).map((name) => [name, shapeOf(Reflect.get(value, name))]);
  // A record without a prototype comes back as a plain one, from the original too.
  const prototype: unknown = Object.getPrototypeOf(value) ?? Object.prototype;
  const byName = (left: unknown[], right: unknown[]): number =>
    String(left[0]).localeCompare(String(right[0]));
  return { prototype, fields: fields.toSorted(byName) };
}

const made: Readonly<Record<string, () => object>> = {
  "made by hand": () => ({ id: "x", timestamp: 1 }),
  "with open fields": () => ({
    id: "x",
    timestamp: 1,
    author: undefined,
    content: { role: undefined, parts: [{ text: "hi", thought: undefined }] },
  }),
  "without state changes": () => ({ id: "x", timestamp: 1, actions: {} }),
  "with an open delta": () => ({
    id: "x",
    timestamp: 1,
    actions: { stateDelta: undefined, escalate: undefined },
  }),
  "with open actions": () => ({ id: "x", timestamp: 1, actions: undefined }),
  "with null actions": () => ({ id: "x", timestamp: 1, actions: null }),
  "with state changes": () => ({
    id: "x",
    timestamp: 1,
    actions: { stateDelta: { a: { b: [1] }, gone: undefined, "temp:c": 1 } },
  }),
  "without a prototype": () => Object.assign(Object.create(null), { id: "x", timestamp: 1 }),
  "with fields as this library stores them": () => ({
    id: "x",
    timestamp: 1,
    fields: { id: "y" },
    traits: ["event"],
  }),
  "of the original": () =>
    kit.createEvent({ id: "x", author: "a", timestamp: 1, content: { parts: [{ text: "t" }] } }),
  "of this library": () =>
    createEvent({ id: "x", author: "a", timestamp: 1, actions: { stateDelta: { a: 1 } } }),
  "of this library, with fields taken away": () => {
    const event = createEvent({ id: "x", timestamp: 1 });
    for (const name of ["longRunningToolIds", "invocationId", "actions"])
      Reflect.deleteProperty(event, name);
    return event;
  },
  "of this library, with plain actions": () =>
    Object.assign(createEvent({ id: "x", timestamp: 1 }), { actions: { stateDelta: {} } }),
};

/** What the original gives back after an append: the event itself, and the one it stored. */
async function byOriginal(event: object): Promise<unknown[]> {
  const service = new kit.InMemorySessionService();
  const session = await service.createSession(key);
  const given = event as kit.Event; // Anything passes there.
  const returned = await service.appendEvent({ session, event: given });
  return [returned, (await service.getSession(key))?.events[0]].map(shapeOf);
}

describe.each(adkStores("adk-round-trip"))("on $name", ({ name: store, runtime: open }) => {
  async function onRuntime(work: (runtime: Runtime) => Promise<void>, id: string): Promise<void> {
    const runtime = open(id);
    try {
      await work(runtime);
    } finally {
      await runtime.close();
    }
  }

  it.each(Object.keys(made))("an event %s comes back as from the original", async (name) => {
    const make = made[name] ?? ((): object => ({}));
    await onRuntime(
      async (runtime) => {
        const service = new InMemorySessionService({ runtime });
        const session = await service.createSession(key);
        const other = await service.getSession(key);
        const event = make() as Event; // By hand, an event lacks what it lacks.
        const returned = await service.appendEvent({ session, event });
        expect(returned).toBe(event);
        const stored = (await service.getSession(key))?.events[0];
        expect([returned, stored].map(shapeOf)).toEqual(await byOriginal(make()));
        // The lists of the session objects: the one it was appended to, and one that catches up.
        expect(session.events[0]).toBe(event);
        await service.appendEvent(other as Session, createEvent({ id: "y" }));
        expect(shapeOf(other?.events[0])).toEqual(shapeOf(stored));
      },
      `${store}-${Object.keys(made).indexOf(name)}`,
    );
  });

  it("an event that has grown old comes back as what it was", async () => {
    await onRuntime(async (runtime) => {
      const service = new InMemorySessionService({ runtime });
      const session = await service.createSession(key);
      const bare = { id: "bare", timestamp: 7 };
      await service.appendEvent(session, { ...bare } as Event);
      for (let at = 0; at < 2 * PAGE_SIZE; at++)
        await service.appendEvent(session, createEvent({ timestamp: at }));
      expect((await service.getSession(key))?.events[0]).toStrictEqual(bare);
      const late = await service.getSession({ ...key, config: { afterTimestamp: 7 } });
      expect(late?.events[0]?.timestamp).toBe(7);
    }, `${store}-old`);
  });

  it("an event gets the changes that were set on the state, and nothing else", async () => {
    await onRuntime(async (runtime) => {
      const service = new InMemorySessionService({ runtime });
      const session = await service.createSession(key);
      session.state.set("list", [1]);
      const event = await service.appendEvent(session, { id: "x", timestamp: 1 } as Event);
      const whole = { id: "x", timestamp: 1, actions: { stateDelta: { list: [1] } } };
      expect(event).toStrictEqual(whole);
      expect((await service.getSession(key))?.events[0]).toStrictEqual(whole);
      Object(event.actions.stateDelta["list"]).push(2); // It is the caller's to change.
      expect((await service.getSession(key))?.state.get("list")).toEqual([1]);
    }, `${store}-set`);
  });
});

describe("an event stored by an earlier version", () => {
  it("comes back as an event with the fields it was stored with", () => {
    const stored: StoredEvent = { id: "x", timestamp: 1, actions: { stateDelta: { a: 1 } } };
    const event = thawEvent(stored);
    expect(event).toBeInstanceOf(Event);
    expect(event.actions).toBeInstanceOf(EventActions);
    expect(Object.keys(event)).toEqual(["id", "timestamp", "actions"]);
    expect(Object.keys(event.actions)).toEqual(["stateDelta"]);
  });
});
