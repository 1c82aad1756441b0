/** Old events on their way into pages, when the store is slow or fails. */
import { describe, expect, it } from "vitest";
import { createEvent, InMemorySessionService, type Session } from "../../../../src/adk.ts";
import { PAGE_SIZE } from "../../../../src/dialects/adk/record.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import type { ScopeWrite, StateStore } from "../../../../src/stores/contract.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };
const count = 2 * PAGE_SIZE;

/** A memory store that asks before it commits. */
function askingStore(ask: (writes: readonly ScopeWrite[]) => Promise<void>): StateStore {
  const store = memoryStore();
  return {
    name: store.name,
    supports: { ...store.supports, exclusive: false },
    load: (keys) => store.load(keys),
    commit: async (writes, options) => {
      await ask(writes);
      return store.commit(writes, options);
    },
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

const ofPages = (writes: readonly ScopeWrite[]): boolean =>
  writes.some(({ key: at }) => at.includes("/adk-session-page/"));

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at);
}

/** A service with a session, and ways to use it. */
async function start(ask: (writes: readonly ScopeWrite[]) => Promise<void>): Promise<{
  session: Session;
  logger: ReturnType<typeof keepingLogger>;
  append: (from: number, to: number) => Promise<void>;
  stored: () => Promise<unknown[]>;
  pages: () => Promise<number>;
  replace: (number: number) => Promise<unknown>;
}> {
  const logger = keepingLogger();
  const runtime = createRuntime({ store: askingStore(ask), logger });
  const service = new InMemorySessionService({ runtime, logger });
  const session = await service.createSession(key);
  return {
    session,
    logger,
    append: async (from, to) => {
      for (const content of numbers(from, to))
        await service.appendEvent(session, createEvent({ id: `e${content}`, content }));
    },
    stored: async () => (await service.getSession(key))?.events.map(({ content }) => content) ?? [],
    pages: async () => (await runtime.list({ type: "adk-session-page" })).ids.length,
    replace: (number) =>
      service.appendEvent(session, createEvent({ id: `e${number}`, content: "new" })),
  };
}

describe("moving events into pages", () => {
  it("is tried again when it failed, and no append fails for it", async () => {
    let isFailing = true;
    const world = await start(async (writes) => {
      if (isFailing && ofPages(writes)) throw new Error("the disk is full");
    });
    await world.append(0, count + 3);
    expect(world.logger.messages).toContain("pages were not written");
    expect(await world.stored()).toEqual(numbers(0, count + 3));
    expect(await world.pages()).toBe(0);
    isFailing = false;
    await world.append(count + 3, count + 4);
    expect(await world.pages()).toBe(1);
    expect(await world.stored()).toEqual(numbers(0, count + 4));
  });

  it("loses nothing when it is cut off between the page and the session", async () => {
    let hasPage = false;
    const world = await start(async (writes) => {
      const isCutOff = hasPage && !ofPages(writes);
      hasPage = ofPages(writes);
      if (isCutOff) throw new Error("the process is killed");
    });
    await world.append(0, count);
    expect([await world.pages(), world.logger.messages]).toEqual([1, ["pages were not written"]]);
    expect(await world.stored()).toEqual(numbers(0, count));
  });

  it("keeps an event that is replaced meanwhile", async () => {
    let open = (): void => undefined;
    let reached = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const atGate = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const world = await start((writes) => {
      if (!ofPages(writes)) return Promise.resolve();
      reached();
      return gate;
    });
    const appending = world.append(0, count);
    await atGate;
    const replacing = world.replace(3);
    await expect.poll(world.stored).toContain("new");
    open();
    await Promise.all([appending, replacing]);
    const expected = numbers(0, count).map((number) => (number === 3 ? "new" : number));
    expect(await world.stored()).toEqual(expected);
    expect(await world.pages()).toBe(1);
    expect(world.session.events.map(({ content }) => content)).toEqual(expected);
  });
});
