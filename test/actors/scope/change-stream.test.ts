import { describe, expect, it } from "vitest";
import { FEED_BUFFER_MAX, Listeners } from "../../../actors/scope/change-stream.ts";
import type { FeedItem, Logger, StateChange } from "../../../actors/protocol.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
}

function logger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const note = (message: string): void => void lines.push(message);
  return { lines, warn: note, error: note };
}

function open(options: { logger?: Logger } = {}): Scope<Bag> {
  return createScope<Bag>({ initial: { n: 0 }, ...options });
}

function reader(scope: Scope<Bag>, options = {}): AsyncIterator<FeedItem<Bag>> {
  return scope.changes(options)[Symbol.asyncIterator]();
}

async function versions(items: AsyncIterable<FeedItem<Bag>>): Promise<[string, number][]> {
  const seen: [string, number][] = [];
  for await (const { type, version } of items) seen.push([type, version]);
  return seen;
}

describe("listeners", () => {
  it("F1: hear every change once, in order, until they are removed", async () => {
    const scope = open();
    const seen: number[] = [];
    const listener = ({ version }: StateChange<Bag>): void => void seen.push(version);
    const remove = scope.subscribe(listener);
    const removeTwin = scope.subscribe(listener);
    await scope.incState({ n: 1 });
    remove();
    remove();
    await scope.incState({ n: 1 });
    removeTwin();
    await scope.incState({ n: 1 });
    expect(seen).toEqual([1, 1, 2]);
  });

  it("end with the block that uses them, and may be removed again", async () => {
    const scope = open();
    const seen: number[] = [];
    const count = ({ version }: StateChange<Bag>): void => void seen.push(version);
    {
      using used = scope.subscribe(count);
      expect(typeof used).toBe("function");
      await scope.incState({ n: 1 });
    }
    const removed = scope.subscribe(count);
    removed();
    removed[Symbol.dispose]();
    await scope.incState({ n: 1 });
    expect(seen).toEqual([1]);
  });

  it("F1: hear nothing of what was announced before they came", async () => {
    const scope = open();
    const late: number[] = [];
    scope.subscribe(({ version }) => {
      if (version !== 1) return;
      void scope.incState({ n: 1 });
      scope.subscribe((change) => void late.push(change.version));
      void scope.incState({ n: 1 });
    });
    await scope.incState({ n: 1 });
    expect(late).toEqual([3]);
  });

  it("F2: that throw or reject are logged and harm no commit, whatever the logger does", async () => {
    const log = logger();
    const scope = open({ logger: log });
    const seen: number[] = [];
    scope.subscribe(() => {
      throw new Error("listener");
    });
    // An asynchronous listener fits the type; its promise must not get lost.
    // eslint-disable-next-line typescript/no-misused-promises
    scope.subscribe(() => Promise.reject(new Error("later")));
    scope.subscribe(({ version }) => void seen.push(version));
    expect(await scope.incState({ n: 1 })).toBe(true);
    await settled();
    expect([seen, log.lines.length]).toEqual([[1], 2]);
    const broken = open({
      logger: {
        warn: () => undefined,
        error: () => {
          throw new Error("logger");
        },
      },
    });
    broken.subscribe(() => {
      throw new Error("listener");
    });
    broken.subscribe(({ version }) => void seen.push(version));
    await broken.incState({ n: 1 });
    await broken.incState({ n: 1 });
    expect(seen).toEqual([1, 1, 2]);
  });

  it("tell whoever comes last after everybody else, in the same order", () => {
    const order: string[] = [];
    const last = ({ version }: StateChange): void => void order.push(`last ${version}`);
    const listeners = new Listeners(logger(), last);
    const change = (version: number): StateChange => ({
      type: "state_change",
      scope: { type: "t", id: "a" },
      version,
      operation: "set",
      patches: [],
      inversePatches: [],
      origin: "local",
      timestamp: 0,
    });
    listeners.add(({ version }) => {
      order.push(`first ${version}`);
      if (version === 1) listeners.announce(change(2));
    });
    listeners.announce(change(1));
    expect(order).toEqual(["first 1", "last 1", "first 2", "last 2"]);
  });
});

describe("changes()", () => {
  it("yields each change, also to several waiting calls of next, and ends with the scope", async () => {
    const scope = open();
    const items = reader(scope);
    const waiting = [items.next(), items.next(), items.next()];
    await scope.incState({ n: 1 });
    await scope.incState({ n: 1 });
    await scope.stop();
    const results = await Promise.all(waiting);
    expect(results.map(({ value }) => value?.version)).toEqual([1, 2, undefined]);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("starts with one marker after a gap and without one when there is none", async () => {
    const scope = open();
    await scope.incState({ n: 5 });
    const [behind, present] = [reader(scope, { since: 0 }), reader(scope, { since: 1 })];
    await scope.incState({ n: 1 });
    expect((await behind.next()).value).toEqual({
      type: "snapshot",
      scope: scope.identity,
      version: 1,
      state: { n: 5 },
    });
    expect((await behind.next()).value).toMatchObject({ type: "state_change", version: 2 });
    expect((await present.next()).value).toMatchObject({ type: "state_change", version: 2 });
  });

  it("begins with the present state on request; each later change follows once", async () => {
    const scope = createScope<Bag>({ initial: { n: 0 }, persist: tableBridge<Bag>() });
    await scope.incState({ n: 5 });
    const saving = [scope.incState({ n: 1 }), scope.incState({ n: 1 })]; // Not in the snapshot.
    const items = reader(scope, { snapshot: true, since: 1 });
    await Promise.all([...saving, scope.incState({ n: 1 })]);
    const state = { n: 5 };
    expect((await items.next()).value).toEqual({
      type: "snapshot",
      scope: scope.identity,
      version: 1,
      state,
    });
    for (const version of [2, 3, 4])
      expect((await items.next()).value).toMatchObject({ type: "state_change", version });
    await scope.stop();
    expect(await versions(scope.changes({ snapshot: true }))).toEqual([["snapshot", 4]]);
    expect(() => scope.changes({ snapshots: true } as object)).toThrow(TypeError);
  });

  it("doubles nothing after a snapshot that a listener takes in the middle of a batch", async () => {
    const scope = createScope<Bag>({ initial: { n: 0 }, persist: tableBridge<Bag>() });
    let opened: AsyncIterator<FeedItem<Bag>> | undefined;
    scope.subscribe(() => void (opened ??= reader(scope, { snapshot: true })));
    await Promise.all([1, 1, 1].map((n) => scope.incState({ n })));
    expect((await opened?.next())?.value).toMatchObject({ version: 3, state: { n: 3 } });
    await scope.incState({ n: 1 });
    expect((await opened?.next())?.value).toMatchObject({ type: "state_change", version: 4 });
  });

  it("F3: gives a slow reader one marker for what it missed, and nothing older after it", async () => {
    const scope = open();
    const items = reader(scope);
    for (let count = 0; count < FEED_BUFFER_MAX * 3; count++) void scope.incState({ n: 1 });
    const first = await items.next();
    expect(first.value).toMatchObject({ type: "snapshot", version: FEED_BUFFER_MAX * 3 });
    void scope.incState({ n: 1 });
    expect((await items.next()).value).toMatchObject({
      type: "state_change",
      version: FEED_BUFFER_MAX * 3 + 1,
    });
  });

  it("F3: keeps everything that fits", async () => {
    const scope = open();
    const items = reader(scope);
    for (let count = 0; count < FEED_BUFFER_MAX; count++) void scope.incState({ n: 1 });
    for (let version = 1; version <= FEED_BUFFER_MAX; version++)
      expect((await items.next()).value?.version).toBe(version);
  });

  it("opened by a listener in the middle of a round begins after what it can see", async () => {
    const bridge = tableBridge<Bag>();
    const scope = createScope<Bag>({ initial: { n: 0 }, persist: bridge });
    let opened: AsyncIterator<FeedItem<Bag>> | undefined;
    scope.subscribe(() => void (opened ??= reader(scope, { since: 0 })));
    await Promise.all([scope.incState({ n: 1 }), scope.incState({ n: 1 })]);
    expect((await opened?.next())?.value).toMatchObject({ type: "snapshot", version: 2 });
    await scope.incState({ n: 1 });
    expect((await opened?.next())?.value).toMatchObject({ version: 3 });
  });

  it("ends quietly on abort, on return, and at once on a stopped scope", async () => {
    const scope = open();
    const abort = new AbortController();
    const aborted = versions(scope.changes({ signal: abort.signal }));
    await scope.incState({ n: 1 });
    await settled();
    abort.abort();
    expect(await aborted).toEqual([["state_change", 1]]);
    expect(await versions(scope.changes({ signal: AbortSignal.abort() }))).toEqual([]);
    const left = scope.changes()[Symbol.asyncIterator]();
    const waiting = left.next();
    await left.return?.();
    expect((await waiting).done).toBe(true);
    await scope.stop();
    expect(await versions(scope.changes())).toEqual([]);
  });
});
