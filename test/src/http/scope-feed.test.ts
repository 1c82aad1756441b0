/** Changes as server-sent events: every version once, or one snapshot after a gap. */
import { describe, expect, it, onTestFinished } from "vitest";
import {
  createRuntime,
  defineKind,
  memoryStore,
  type Runtime,
  type StateStore,
} from "../../../src/index.ts";
import { createHandler, type KindExposure } from "../../../src/http.ts";
import { READER_BYTES_MAX } from "../../../src/http/event-stream.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { directly, eventsOf, type ReadEvent, served } from "../../support/http.ts";
import { applyRfc6902 } from "../../support/rfc6902.ts";
import { settled, until } from "../../support/waiting.ts";

interface Doc {
  n: number;
  list: string[];
  map: Map<string, number>;
  secret: string;
}

const initial: Doc = { n: 0, list: [], map: new Map(), secret: "" };
const kinds = {
  doc: defineKind<Doc>({ initial, history: 5 }),
  plain: defineKind<Doc>({ initial }),
  part: defineKind<Doc>({ initial, history: 5 }),
};
const exposed = { doc: {}, plain: {}, part: { fields: ["n", "list"] } };
const SCALE = process.env["TEST_SCALE"] === "nightly" ? 20 : 1;

function made(store?: StateStore): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds, ...(store && { store }) });
  onTestFinished(() => runtime.close());
  return runtime;
}

async function feed(
  runtime: Runtime,
  path: string,
  since?: string,
  shown: Record<string, KindExposure> = exposed,
): Promise<ReturnType<typeof eventsOf>> {
  const headers = since === undefined ? {} : { "last-event-id": since };
  const response = await directly(createHandler(runtime, { kinds: shown }))(path, { headers });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = eventsOf(response);
  onTestFinished(() => events.cancel());
  return events;
}

/** The state and version that events lead to; fails when one does not follow the one before. */
function replayed(events: readonly ReadEvent[], start?: { version: number; state: unknown }) {
  let { version, state } = start ?? { version: -1, state: undefined };
  for (const { event, id, data } of events) {
    expect(id).toBe(String(data["version"]));
    if (event === "snapshot") {
      ({ version, state } = data as { version: number; state: unknown });
      continue;
    }
    version += 1;
    expect(data["version"]).toBe(version);
    state = applyRfc6902(state, data["patch"] as Parameters<typeof applyRfc6902>[1]);
  }
  return { version, state };
}

describe("a reader of changes", () => {
  it("receives a snapshot, then each change as a patch of what it has", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "a");
    await scope.patchState({ n: 1 });
    const events = await feed(runtime, "/scopes/plain/a/changes");
    await scope.patchState({ n: 2 }, { meta: { by: "ann" } });
    await scope.update((draft) => {
      draft.map.set("k", 1);
      draft.list.push("x", "y");
    });
    await Promise.all([scope.pushState("list", "z"), scope.incState({ n: 1 })]);
    await scope.delete();
    await scope.patchState({ n: 9 });
    const all = await events.take(7);
    expect(all[0]).toEqual({
      event: "snapshot",
      id: "1",
      data: { version: 1, state: { n: 1, list: [], map: [], secret: "" } },
    });
    expect(all[1]?.data).toEqual({
      version: 2,
      operation: "patch",
      patch: [{ op: "replace", path: "/n", value: 2 }],
      meta: { by: "ann" },
    });
    expect(all.map(({ event }) => event)).toEqual(["snapshot", ...Array(6).fill("change")]);
    expect(replayed(all)).toEqual({
      version: 7,
      state: { n: 9, list: [], map: [], secret: "" },
    });
  });

  it("of fields receives an empty patch for others, without meta", async () => {
    const runtime = made();
    const scope = await runtime.open("part", "a");
    const events = await feed(runtime, "/scopes/part/a/changes");
    await scope.patchState({ secret: "hidden" }, { meta: { secret: "hidden" } });
    await scope.setState({ ...initial, n: 3, secret: "hidden too" });
    await scope.delete();
    const all = await events.take(4);
    expect(JSON.stringify(all)).not.toMatch(/hidden|secret|map/);
    expect(all[1]?.data).toEqual({ version: 1, operation: "patch", patch: [] });
    expect(replayed(all)).toEqual({ version: 3, state: { n: 0, list: [] } });
    const again = await feed(runtime, "/scopes/part/a/changes", "x");
    expect((await again.next())?.data).toEqual({ version: 3, state: { n: 0, list: [] } });
  });

  it("that returns gets what it missed from the history, or a snapshot, or nothing", async () => {
    const runtime = made();
    const scope = await runtime.open("doc", "a");
    for (let n = 1; n <= 9; n += 1)
      await scope.update((draft) => {
        draft.map.set(`k${n}`, n);
        draft.list.unshift(String(n));
      });
    const next = async (since: string): Promise<ReadEvent[]> => {
      const events = await feed(runtime, "/scopes/doc/a/changes", since);
      const first = await events.take(since === "9" ? 0 : 1);
      if (first[0]?.event === "change") first.push(...(await events.take(8 - Number(since))));
      return first;
    };
    const at6 = await scope.at(6);
    const start = { version: 6, state: { ...at6.state, map: [...at6.state.map] } };
    const missed = await next("6");
    expect(missed.map(({ event, id }) => `${event} ${id}`)).toEqual([
      "change 7",
      "change 8",
      "change 9",
    ]);
    expect(replayed(missed, start).state).toEqual({ ...scope.state, map: [...scope.state.map] });
    expect((await next("4")).map(({ id }) => id)).toEqual(["5", "6", "7", "8", "9"]);
    for (const since of ["3", "0", "10", "-1", "1.5", "abc", "", "99999999999999999999"])
      expect(
        (await next(since)).map(({ event, id }) => `${event} ${id}`),
        since,
      ).toEqual(["snapshot 9"]);
    const same = await feed(runtime, "/scopes/doc/a/changes", "9");
    await scope.patchState({ n: 1 });
    expect((await same.next())?.id).toBe("10");
  });

  it("that returns gets up to 1,000 changes, and a snapshot in place of more", async () => {
    const runtime = createRuntime({
      kinds: { doc: defineKind({ initial: { n: 0 }, history: 1_100 }) },
    });
    onTestFinished(() => runtime.close());
    const scope = await runtime.open("doc", "long");
    for (let n = 1; n <= 1_001; n += 1) void scope.incState({ n: 1 });
    await scope.incState({ n: 1 });
    const all = await feed(runtime, "/scopes/doc/long/changes", "2", { doc: {} });
    expect((await all.take(1_000)).map(({ id }) => Number(id))).toEqual(
      Array.from({ length: 1_000 }, (_, at) => at + 3),
    );
    const behind = await feed(runtime, "/scopes/doc/long/changes", "1", { doc: {} });
    expect(await behind.take(1)).toMatchObject([{ event: "snapshot", id: "1002" }]);
  });

  it("that returns while changes come misses none and gets none twice", async () => {
    const runtime = made();
    const scope = await runtime.open("doc", "busy");
    for (let n = 1; n <= 4; n += 1) await scope.incState({ n: 1 });
    const writing = (async () => {
      for (let n = 0; n < 60; n += 1) await scope.incState({ n: 1 });
    })();
    const feeds = await Promise.all(
      Array.from({ length: 20 }, async () => {
        await settled(1);
        return feed(runtime, "/scopes/doc/busy/changes", "2");
      }),
    );
    await writing;
    for (const events of feeds) {
      const all: ReadEvent[] = [];
      for (let event = await events.next(); event !== undefined; event = await events.next()) {
        all.push(event);
        if (event.id === "64") break;
      }
      const start = { version: 2, state: { n: 2, list: [], map: [], secret: "" } };
      expect(replayed(all, start).state).toMatchObject({ n: 64 });
    }
  });

  it("of another process's changes gets a snapshot where versions are missing", async () => {
    const store = memoryStore();
    const [here, there] = [made(store), made(store)];
    const events = await feed(here, "/scopes/plain/shared/changes");
    expect((await events.next())?.id).toBe("0");
    const scope = await there.open("plain", "shared");
    await Promise.all([1, 2, 3].map(() => scope.incState({ n: 1 })));
    await (await here.open("plain", "shared")).refresh();
    const [first] = await events.take(1);
    expect(first).toMatchObject({ event: "snapshot", id: "3", data: { state: { n: 3 } } });
  });

  it("receives a snapshot when an erased scope begins again", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "gone");
    await scope.incState({ n: 1 });
    const events = await feed(runtime, "/scopes/plain/gone/changes");
    const all = await events.take(1);
    await runtime.erase({ type: "plain", id: "gone" });
    all.push(...(await events.take(1)));
    await scope.incState({ n: 5 });
    all.push(...(await events.take(1)));
    expect(all.map(({ event, id }) => `${event} ${id}`)).toEqual([
      "snapshot 1",
      "change 2",
      "snapshot 1",
    ]);
    expect(replayed(all).state).toMatchObject({ n: 5 });
  });

  it("ends with the runtime, after what was announced", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "end");
    const events = await feed(runtime, "/scopes/plain/end/changes");
    await scope.incState({ n: 1 });
    await runtime.close();
    expect((await events.take(9)).map(({ id }) => id).at(-1)).toBe("1");
    expect(await events.next()).toBeUndefined();
  });

  it("receives the changes of one tick in one chunk, and joins between them", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "tick");
    const send = directly(createHandler(runtime, { kinds: exposed }));
    const { body } = await send("/scopes/plain/tick/changes");
    const reader = body?.getReader();
    onTestFinished(async () => reader?.cancel());
    const chunk = async (): Promise<string> =>
      new TextDecoder().decode((await reader?.read())?.value);
    expect(await chunk()).toMatch(/event: snapshot/);
    const next = chunk();
    await scope.incState({ n: 1 });
    const late = await feed(runtime, "/scopes/plain/tick/changes"); // A handler of its own.
    const joined = eventsOf(await send("/scopes/plain/tick/changes"));
    onTestFinished(() => joined.cancel());
    await scope.incState({ n: 1 });
    await scope.incState({ n: 1 });
    const ids = [
      ...(await next).matchAll(/^id: (\d+)$/gm),
      ...(await chunk()).matchAll(/^id: (\d+)$/gm),
    ];
    expect(ids.map(([, id]) => id)).toEqual(["1", "2", "3"]);
    for (const other of [late, joined])
      expect((await other.take(3)).map(({ event, id }) => `${event} ${id}`)).toEqual([
        "snapshot 1",
        "change 2",
        "change 3",
      ]);
  });

  it("receives a long series of changes of one tick in parts", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "series");
    const { body } = await directly(createHandler(runtime, { kinds: exposed }))(
      "/scopes/plain/series/changes",
    );
    const reader = body?.getReader();
    onTestFinished(async () => reader?.cancel());
    await reader?.read();
    const part = reader?.read();
    const text = "x".repeat(1_000);
    for (let n = 1; n <= 100; n += 1) await scope.patchState({ n, secret: `${text}${n}` });
    const size = (await part)?.value?.byteLength;
    expect(size).toBeGreaterThan(2 ** 16);
    expect(size).toBeLessThan(2 ** 16 + 2_000);
  });

  it("that leaves keeps nothing: the scope has no listener, the timer is off", async () => {
    const clock = simulatedClock();
    const runtime = createRuntime({ kinds, clock });
    onTestFinished(() => runtime.close());
    const handler = createHandler(runtime, { kinds: exposed, heartbeatMs: 100 });
    const readers = await Promise.all(
      [1, 2].map(async () => eventsOf(await directly(handler)("/scopes/plain/l/changes"))),
    );
    for (const reader of readers) expect((await reader.next())?.event).toBe("snapshot");
    const [one, two] = readers;
    const waiting = one?.next();
    await settled();
    await clock.advance(250);
    await settled();
    expect(one?.comments).toHaveLength(3); // The first one begins the stream.
    await Promise.all([one?.cancel(), two?.cancel()]);
    await waiting;
    await (await runtime.open("plain", "l")).incState({ n: 1 });
    await clock.advance(1_000);
    expect(one?.comments).toHaveLength(3);
  });
});

describe("a reader that does not read", () => {
  it("costs bounded memory, and gets one snapshot at once when it reads again", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "slow");
    const events = await feed(runtime, "/scopes/plain/slow/changes");
    expect((await events.next())?.event).toBe("snapshot");
    const text = "x".repeat(1_000);
    const count = (2 * READER_BYTES_MAX) / 1_000;
    for (let n = 1; n <= count; n += 1) await scope.patchState({ n, secret: `${text}${n}` });
    const [missed] = await events.take(1);
    expect(missed).toMatchObject({ event: "snapshot", data: { version: scope.version } });
    await scope.patchState({ n: 0 });
    expect(await events.next()).toMatchObject({ event: "change", id: String(scope.version) });
  });

  it("loses none of the changes that fit in its buffer", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "fits");
    const events = await feed(runtime, "/scopes/plain/fits/changes");
    expect((await events.next())?.event).toBe("snapshot");
    const text = "x".repeat(1_000);
    const count = Math.floor(READER_BYTES_MAX / 1_300);
    for (let n = 1; n <= count; n += 1) await scope.patchState({ n, secret: `${text}${n}` });
    const all = await events.take(count);
    expect(all.map(({ event, id }) => `${event} ${id}`)).toEqual(
      Array.from({ length: count }, (_, at) => `change ${at + 1}`),
    );
  });

  it("does not hold up others, nor memory, behind node:http", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "stuck");
    const send = await served(createHandler(runtime, { kinds: exposed }));
    const stuck = await Promise.all(
      Array.from({ length: 50 }, () => send("/scopes/plain/stuck/changes")),
    );
    const reading = eventsOf(await send("/scopes/plain/stuck/changes"));
    onTestFinished(async () => {
      await Promise.all([reading.cancel(), ...stuck.map(({ body }) => body?.cancel())]);
    });
    const before = process.memoryUsage();
    const text = "y".repeat(10_000);
    const count = 500 * SCALE;
    const seen: ReadEvent[] = [];
    const reads = (async () => {
      while (seen.at(-1)?.id !== String(count)) seen.push(...(await reading.take(1)));
    })();
    for (let n = 1; n <= count; n += 1) await scope.patchState({ n, secret: `${text}${n}` });
    await reads;
    expect(replayed(seen).state).toMatchObject({ n: count });
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    // Without a limit each reader would keep 5 MB here.
    expect(grown).toBeLessThan(50 * 4 * READER_BYTES_MAX);
  });
});

describe("many readers", () => {
  it("each receive every version once, or one snapshot after a gap", async () => {
    const runtime = made();
    const scope = await runtime.open("plain", "many");
    const handler = createHandler(runtime, { kinds: exposed });
    const readers = await Promise.all(
      Array.from({ length: 30 * SCALE }, async () =>
        eventsOf(await directly(handler)("/scopes/plain/many/changes")),
      ),
    );
    const count = 300;
    const seen = readers.map(async (reader, at) => {
      const all: ReadEvent[] = [];
      while (all.at(-1)?.id !== String(count)) {
        all.push(...(await reader.take(1)));
        if (at % 10 === 0) await settled(at % 7);
      }
      return all;
    });
    for (let n = 1; n <= count; n += 1) {
      await scope.incState({ n: 1 });
      if (n % 25 === 0) await settled(1);
    }
    for (const all of await Promise.all(seen))
      expect(replayed(all)).toMatchObject({ version: count, state: { n: count } });
    await Promise.all(readers.map((reader) => reader.cancel()));
    await until(() => scope.stats.waiting === 0);
  });
});
