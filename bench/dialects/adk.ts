/** Sessions of agents: `holdfast/adk` beside the kit's own services. */
import * as kit from "@google/adk";
import type * as Entry from "../../src/adk.ts";
import { createRuntime, sqliteStore, urlOf } from "../subject.ts";
import { createPlace } from "../contention/place.ts";
import type { Kept, Match, Side } from "./side.ts";

const entry: typeof Entry = await import(urlOf("adk"));

/** The one session of a run. */
const key = { appName: "app", userId: "u", sessionId: "s" };

const original: Side = {
  name: "@google/adk",
  async open(document): Promise<Kept> {
    const service = new kit.InMemorySessionService();
    await service.createSession({ ...key, state: document });
    return {
      async turn(pause) {
        const session = await service.getSession(key);
        if (session === undefined) throw new Error("the session is gone");
        const n = Number(session.state["n"]);
        await pause();
        const actions = kit.createEventActions({ stateDelta: { n: n + 1 } });
        await service.appendEvent({ session, event: kit.createEvent({ author: "a", actions }) });
      },
      count: async () => Number((await service.getSession(key))?.state["n"]),
    };
  },
};

const ours: Side = {
  name: "holdfast/adk",
  async open(document): Promise<Kept> {
    const service = new entry.InMemorySessionService();
    await service.createSession({ ...key, state: document });
    return {
      turn: (pause) =>
        entry.runTurn(service, key, async (session) => {
          const n = Number(session.state.get("n"));
          await pause();
          const actions = entry.createEventActions({ stateDelta: { n: n + 1 } });
          await service.appendEvent({
            session,
            event: entry.createEvent({ author: "a", actions }),
          });
        }),
      count: async () => Number((await service.getSession(key))?.state.get("n")),
      close: () => service.close(),
    };
  },
};

/** Both in memory: a turn reads the session and appends an event that changes its state. */
export const adk: Match = { dialect: "adk", original, ours: [ours] };

/** A session that events are appended to. */
export interface Log {
  readonly append: (at: number) => Promise<unknown>;
  /** The texts of the latest events, `count` at most. */
  readonly latest: (count: number) => Promise<readonly unknown[]>;
  readonly close: () => Promise<unknown>;
}

/** The kit's own session. */
export async function kitLog(): Promise<Log> {
  const service = new kit.InMemorySessionService();
  const session = await service.createSession(key);
  return {
    append: (at) => service.appendEvent({ session, event: kit.createEvent(fieldsOf(at)) }),
    latest: async (numRecentEvents) => {
      const found = await service.getSession({ ...key, config: { numRecentEvents } });
      return (found?.events ?? []).map(({ content }) => content?.parts?.[0]?.text);
    },
    close: () => Promise.resolve(),
  };
}

/** A session of this library, in memory or on sqlite. */
export async function ourLog(store: "memory" | "sqlite"): Promise<Log> {
  const { path } = createPlace("memory");
  const runtime = createRuntime(store === "sqlite" ? { store: sqliteStore({ path }) } : {});
  const service = new entry.InMemorySessionService({ runtime });
  const session = await service.createSession(key);
  return {
    append: (at) => service.appendEvent({ session, event: entry.createEvent(fieldsOf(at)) }),
    latest: async (numRecentEvents) => {
      const found = await service.getSession({ ...key, config: { numRecentEvents } });
      return (found?.events ?? []).map(({ content }) => {
        // Each event of this bench was made by `fieldsOf`.
        return (content as { parts: { text: string }[] }).parts[0]?.text;
      });
    },
    close: () => runtime.close(),
  };
}

function fieldsOf(at: number): { author: string; content: { role: string; parts: object[] } } {
  return { author: "a", content: { role: "user", parts: [{ text: `event ${at}` }] } };
}
