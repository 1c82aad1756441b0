/** The state adapter by itself: who has the lock, who waits, and what cannot be kept. */
import type { Lock, QueueEntry, StateAdapter } from "chat";
import { describe, expect, it, onTestFinished } from "vitest";
import { createHoldfastState } from "../../../../src/chat-sdk.ts";
import { createRuntime, memoryStore, type Runtime } from "../../../../src/index.ts";
import { simulatedClock, type SimulatedClock } from "../../../../src/testing.ts";
import { rejection, settled, turned } from "../../../support/waiting.ts";
import { message } from "./bot.ts";

const THREAD = "quiet:room:1";
const TTL = 30_000;

function open(): { state: StateAdapter; runtime: Runtime; clock: SimulatedClock } {
  const clock = simulatedClock(1_700_000_000_000);
  const runtime = createRuntime({ clock, store: memoryStore({ clock }) });
  onTestFinished(() => runtime.close());
  return { state: createHoldfastState({ runtime }), runtime, clock };
}

async function lockOf(state: StateAdapter): Promise<Lock> {
  const lock = await state.acquireLock(THREAD, TTL);
  if (lock === null) throw new Error("the lock is free");
  return lock;
}

function entry(clock: SimulatedClock, id: string, raw?: unknown): QueueEntry {
  const enqueuedAt = clock.now();
  return { message: message(THREAD, id, raw), enqueuedAt, expiresAt: enqueuedAt + 90_000 };
}

describe("the lock", () => {
  it("is waited for after the last dequeue, and won at the release", async () => {
    const { state } = open();
    const lock = await lockOf(state);
    expect(await state.dequeue(THREAD)).toBeNull();
    const claim = state.acquireLock(THREAD, TTL);
    await settled();
    await state.releaseLock(lock);
    expect(await claim).toMatchObject({ threadId: THREAD });
    expect(await state.acquireLock(THREAD, TTL)).toBeNull();
  });

  it("is won by one of many that wait", async () => {
    const { state } = open();
    const lock = await lockOf(state);
    await state.dequeue(THREAD);
    const claims = Array.from({ length: 20 }, () => state.acquireLock(THREAD, TTL));
    await settled();
    await state.releaseLock(lock);
    const won = (await Promise.all(claims)).filter((claim) => claim !== null);
    expect(won).toHaveLength(1);
  });

  it("is refused while entries were taken, since the holder asks again", async () => {
    const { state, clock } = open();
    await lockOf(state);
    await state.acquireLock(THREAD, TTL);
    await state.enqueue(THREAD, entry(clock, "m0"), 10);
    expect(await state.dequeue(THREAD)).not.toBeNull();
    expect(await state.dequeue(THREAD)).toBeNull();
    expect(await state.acquireLock(THREAD, TTL)).toBeNull();
  });

  it("goes to who waits when its holder is gone", async () => {
    const { state, clock } = open();
    const lock = await lockOf(state);
    await state.dequeue(THREAD);
    const claim = await turned(clock, state.acquireLock(THREAD, TTL), 1_000);
    expect(claim?.token).not.toBe(lock.token);
    expect(await state.extendLock(lock, TTL)).toBe(false);
  });
});

describe("the last dequeue", () => {
  it("waits for the message of a caller that was refused", async () => {
    const { state, clock } = open();
    await lockOf(state);
    await state.acquireLock(THREAD, TTL);
    const last = state.dequeue(THREAD);
    await settled();
    await state.queueDepth(THREAD);
    await state.enqueue(THREAD, entry(clock, "m0"), 10);
    expect((await turned(clock, last))?.message).toMatchObject({ id: "m0" });
  });

  it("does not take the holder's own message for that of a refused caller", async () => {
    const { state, clock } = open();
    await lockOf(state);
    await state.acquireLock(THREAD, TTL);
    await state.enqueue(THREAD, entry(clock, "own"), 10);
    await state.dequeue(THREAD);
    expect(await state.dequeue(THREAD)).toBeNull();
    const last = state.dequeue(THREAD);
    await state.queueDepth(THREAD);
    await state.enqueue(THREAD, entry(clock, "m0"), 10);
    expect((await turned(clock, last))?.message).toMatchObject({ id: "m0" });
  });

  it("waits for `claimMs` at most", async () => {
    const { state, clock } = open();
    await lockOf(state);
    await state.acquireLock(THREAD, TTL);
    const start = clock.now();
    expect(await turned(clock, state.dequeue(THREAD), 10)).toBeNull();
    expect(clock.now() - start).toBeGreaterThanOrEqual(2_000);
    expect(clock.now() - start).toBeLessThan(2_100);
  });
});

describe("bad input", () => {
  it("rejects for what cannot be kept, and keeps the rest", async () => {
    const { state, clock } = open();
    const bad: unknown = { call: () => 1 };
    const code = "STATE_NOT_SERIALIZABLE";
    await state.set("key", ["kept"]);
    await rejection(state.set("key", bad), code);
    await rejection(state.setIfNotExists("other", bad), code);
    await rejection(state.appendToList("key", bad), code);
    await rejection(state.enqueue(THREAD, entry(clock, "m0", 1n), 10), code);
    expect(await state.getList("key")).toEqual(["kept"]);
    expect(await state.get("other")).toBeNull();
    expect(await state.queueDepth(THREAD)).toBe(0);
  });

  it("rejects for a bad time and an empty key", async () => {
    const { state } = open();
    for (const ttlMs of [Number.NaN, "1" as never, -1]) {
      expect(await rejection(state.set("key", 1, ttlMs))).toBeInstanceOf(RangeError);
      expect(await rejection(state.acquireLock(THREAD, ttlMs))).toBeInstanceOf(RangeError);
      expect(await rejection(state.appendToList("key", 1, { ttlMs }))).toBeInstanceOf(RangeError);
    }
    expect(await state.get("key")).toBeNull();
    expect(await rejection(state.set("", 1))).toBeInstanceOf(TypeError);
    for (const claimMs of [Number.NaN, -1])
      expect(() => createHoldfastState({ runtime: createRuntime(), claimMs })).toThrow(RangeError);
    expect(() => createHoldfastState({} as never)).toThrow(TypeError);
  });
});

it("leaves nothing of a thread that rests, and the runtime open after `disconnect`", async () => {
  const { state, runtime } = open();
  await state.connect();
  await state.releaseLock(await lockOf(state));
  const { ids } = await runtime.list({ type: "chat-sdk-thread" });
  expect(ids).toEqual([]);
  await state.disconnect();
  await state.set("key", 1);
  expect(await state.get("key")).toBe(1);
});

it("keeps the values of two prefixes apart", async () => {
  const { runtime } = open();
  const [one, two] = ["one:", "two:"].map((prefix) => createHoldfastState({ runtime, prefix }));
  await one?.subscribe(THREAD);
  await one?.acquireLock(THREAD, TTL);
  expect(await two?.isSubscribed(THREAD)).toBe(false);
  expect(await two?.acquireLock(THREAD, TTL)).not.toBeNull();
});
