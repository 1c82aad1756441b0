/** Turns and locks of the dialects that wait for each other in a circle: found when it closes. */
import { InMemorySessionService, runTurn as runSessionTurn } from "holdfast/adk";
import { createStateContainer, withScopeLock } from "holdfast/flow-state";
import { MemoryStorage, runTurn } from "holdfast/turn-state";
import { describe, expect, it } from "vitest";
import { bodiesHere } from "../../../src/dialects/flow-state/body.ts";
import { activity } from "./turn-state/places.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

type Place = (name: "one" | "two", work: () => Promise<unknown>) => Promise<unknown>;

/** Two places to work in, whose work asks for the other; nothing ends by its time. */
const places: Record<string, () => Promise<Place>> = {
  "sessions of the agent kit": async () => {
    const service = new InMemorySessionService();
    for (const sessionId of ["one", "two"])
      await service.createSession({ appName: "app", userId: "u", sessionId });
    return (sessionId, work) =>
      runSessionTurn(service, { appName: "app", userId: "u", sessionId }, work);
  },
  "locks on containers": () => {
    const containers = { one: createStateContainer({}), two: createStateContainer({}) };
    return Promise.resolve((name, work) =>
      withScopeLock(containers[name], work, { timeoutMs: Infinity }),
    );
  },
  "turns of conversations": () => {
    const storage = new MemoryStorage();
    const forever = { timeoutMs: Infinity, handlerTimeoutMs: Infinity };
    // Another user each, and names in the order in which the mailboxes are taken.
    return Promise.resolve((name, work) =>
      runTurn(storage, activity(name, `user-${name}`), work, forever),
    );
  },
};

describe.each(Object.entries(places))("%s", (_, open) => {
  it("refuse the call that closes a circle, and the other goes on", async () => {
    const place = await open();
    const [first, second, reached] = [gate(), gate(), gate()];
    const log: string[] = [];
    const one = place("one", async () => {
      await first.promise;
      reached.open();
      await place("two", () => Promise.resolve(log.push("two inside one")));
    });
    const refused = rejection(
      place("two", async () => {
        await second.promise;
        await place("one", () => Promise.resolve(log.push("one inside two")));
      }),
    );
    first.open();
    await reached.promise;
    for (let turn = 0; turn < 20; turn++) await settled();
    second.open();
    const error = await refused;
    expect(error).toMatchObject({ code: "DEADLOCK" });
    // It begins and ends with what was asked for.
    const chain = error["chain"] as string[];
    expect(chain.at(0)).toBe(chain.at(-1));
    expect(chain.length).toBe(3);
    await one;
    expect(log).toEqual(["two inside one"]);
  });
});

describe("a turn of a conversation that waits for its user", () => {
  it("is found by who asks for the conversation it holds already", async () => {
    const storage = new MemoryStorage();
    const forever = { timeoutMs: Infinity, handlerTimeoutMs: Infinity };
    const [inside, start] = [gate(), gate()];
    // It keeps the user, and will ask for the conversation of the next turn.
    const keeper = runTurn(
      storage,
      activity("c-0", "u"),
      async () => {
        inside.open();
        await start.promise;
        await runTurn(storage, activity("c-1", "other"), () => undefined, forever);
      },
      forever,
    );
    const refused = rejection(keeper);
    await inside.promise;
    const waiting = runTurn(storage, activity("c-1", "u"), () => "done", forever);
    for (let turn = 0; turn < 20; turn++) await settled();
    start.open();
    expect(await refused).toMatchObject({ code: "DEADLOCK" });
    expect(await waiting).toBe("done");
  });
});

describe("a loop that goes from lock to lock", () => {
  it("keeps no record of those that ended", async () => {
    const containers = [createStateContainer({}), createStateContainer({})];
    const counts: number[] = [];
    let last: Promise<unknown> = Promise.resolve();
    const loop = (left: number): Promise<unknown> =>
      withScopeLock(containers[left % 2] ?? {}, () => {
        counts.push(bodiesHere());
        if (left > 0) last = settled().then(() => loop(left - 1));
      });
    await loop(100);
    for (let seen; seen !== last;) {
      seen = last;
      await seen;
    }
    expect(counts).toHaveLength(101);
    expect(Math.max(...counts)).toBe(1);
  });
});
