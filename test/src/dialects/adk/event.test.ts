/** Events by class and by factory, and what is stored of them. */
import { describe, expect, it } from "vitest";
import { createEvent, createEventActions, Event, EventActions } from "../../../../src/adk.ts";
import { plainEvent, thawEvent, type StoredEvent } from "../../../../src/dialects/adk/event.ts";

describe("an event", () => {
  it("has the defaults of the original", () => {
    const event = createEvent({ author: "a", partial: undefined });
    expect(event.id).toMatch(/^[A-Za-z0-9]{8}$/);
    expect(event).toMatchObject({ invocationId: "", longRunningToolIds: [], author: "a" });
    expect(Math.abs(Date.now() - event.timestamp)).toBeLessThan(60_000);
    expect(Reflect.get(event, Symbol.for("google.adk.event"))).toBe(true);
    expect(event.actions).toEqual({
      stateDelta: {},
      artifactDelta: {},
      requestedAuthConfigs: {},
      requestedToolConfirmations: {},
    });
    expect(createEventActions({ escalate: true })).toBeInstanceOf(EventActions);
  });

  it("keeps what it is given, a time of 0 and further fields too", () => {
    const stateDelta = { a: 1 };
    const event = new Event({
      id: "x",
      timestamp: 0,
      actions: { stateDelta },
      nodeInfo: { path: "p" },
    });
    expect(event).toMatchObject({ id: "x", timestamp: 0, nodeInfo: { path: "p" } });
    expect(event.actions.stateDelta).toBe(stateDelta);
  });
});

describe("what is stored of an event", () => {
  class Confirmation {
    readonly hint = "sure?";
    readonly at = new Date(0);
  }

  it("is plain data: instances become records, symbol keys and open fields go", () => {
    const confirmation = new Confirmation();
    const event = createEvent({
      id: "x",
      timestamp: 1,
      actions: { requestedToolConfirmations: { one: confirmation, two: confirmation } },
      content: { parts: [{ [Symbol.for("mark")]: 1, text: "hi" }] },
    });
    const stored = plainEvent(event, "x", { a: 1 });
    expect(stored).toStrictEqual({
      id: "x",
      timestamp: 1,
      invocationId: "",
      longRunningToolIds: [],
      content: { parts: [{ text: "hi" }] },
      actions: {
        stateDelta: { a: 1 },
        artifactDelta: {},
        requestedAuthConfigs: {},
        requestedToolConfirmations: {
          one: { hint: "sure?", at: new Date(0) },
          two: { hint: "sure?", at: new Date(0) },
        },
      },
    });
  });

  it("comes back as an event of its own", () => {
    const stored: StoredEvent = { id: "x", timestamp: 1, content: { m: new Map([["a", [1]]]) } };
    const event = thawEvent(stored);
    expect(event).toBeInstanceOf(Event);
    expect(event.content).toEqual(stored["content"]);
    expect(event.content).not.toBe(stored["content"]);
  });
});
