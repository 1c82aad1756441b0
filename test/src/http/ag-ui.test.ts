/** State events of AG-UI. */
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, defineKind, FEED_BUFFER_MAX, type FeedItem } from "../../../src/index.ts";
import { type AgUiStateEvent, toAgUiEvents } from "../../../src/http.ts";
import { applyRfc6902 } from "../../support/rfc6902.ts";
import { rejection } from "../../support/waiting.ts";

interface Doc {
  n: number;
  list: number[];
  when: Date;
  none?: string | undefined;
}

const kinds = { doc: defineKind<Doc>({ initial: { n: 0, list: [], when: new Date(0) } }) };

function made() {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  return runtime;
}

/** What a client has after these events. */
function client(events: readonly AgUiStateEvent[]): unknown {
  let state: unknown;
  for (const event of events)
    state = event.type === "STATE_SNAPSHOT" ? event.snapshot : applyRfc6902(state, event.delta);
  return state;
}

describe("toAgUiEvents", () => {
  it("begins with a snapshot, and each delta fits what the client has", async () => {
    const runtime = made();
    const scope = await runtime.open("doc", "a");
    await scope.incState({ n: 1 });
    const events = toAgUiEvents(scope.changes({ snapshot: true }));
    expect((await events.next()).value).toEqual({
      type: "STATE_SNAPSHOT",
      snapshot: { n: 1, list: [], when: "1970-01-01T00:00:00.000Z" },
    });
    await scope.pushState("list", 7);
    await scope.update((draft) => void draft.list.unshift(1, 2));
    await scope.delete();
    await scope.patchState({ none: undefined }); // No change in JSON.
    await scope.patchState({ n: 5 });
    const first = {
      type: "STATE_SNAPSHOT",
      snapshot: { n: 1, list: [], when: "1970-01-01T00:00:00.000Z" },
    } as const;
    const seen: AgUiStateEvent[] = [first];
    for (let count = 0; count < 4; count += 1) seen.push((await events.next()).value ?? first);
    expect(seen.slice(1).every(({ type }) => type === "STATE_DELTA")).toBe(true);
    expect(client(seen)).toEqual({ n: 5, list: [], when: "1970-01-01T00:00:00.000Z" });
    await events.return();
  });

  it("gives a snapshot for a gap", async () => {
    const runtime = made();
    const scope = await runtime.open("doc", "slow");
    const events = toAgUiEvents(scope.changes({ snapshot: true }));
    await events.next();
    for (let n = 0; n < FEED_BUFFER_MAX + 5; n += 1) await scope.incState({ n: 1 });
    const { value } = await events.next();
    expect(value).toMatchObject({ type: "STATE_SNAPSHOT", snapshot: { n: FEED_BUFFER_MAX + 5 } });
    await events.return();
  });

  it("refuses changes without a snapshot, and those of a runtime", async () => {
    const runtime = made();
    const scope = await runtime.open("doc", "b");
    for (const changes of [scope.changes(), runtime.changes({ snapshot: true })]) {
      // As a caller in JavaScript may give it.
      const events = toAgUiEvents(changes as AsyncIterable<FeedItem<object>>);
      const next = rejection(events.next());
      await scope.incState({ n: 1 });
      expect(await next).toBeInstanceOf(TypeError);
    }
  });
});
