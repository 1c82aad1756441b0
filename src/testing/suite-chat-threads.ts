/** The cases of locks, queues and subscriptions of a state adapter of the Chat SDK. */
import assert from "node:assert/strict";
import {
  atOnce,
  type ChatLock,
  type ChatQueueEntry,
  type ChatState,
  type ChatStateCase,
  MANY,
  SHORT_MS,
} from "./suite-chat.ts";

const THREAD = "slack:C1:1";
const OTHER = "slack:C1:2";
/** Milliseconds of a lock that does not end in a case. */
const LONG_MS = 60_000;

async function locked(state: ChatState, ttlMs = LONG_MS): Promise<ChatLock> {
  const lock = await state.acquireLock(THREAD, ttlMs);
  assert.ok(lock, "the lock is free");
  return lock;
}

function entry(id: string): ChatQueueEntry {
  return { message: { id }, enqueuedAt: Date.now(), expiresAt: Date.now() + 10 * LONG_MS };
}

function idOf(taken: ChatQueueEntry | null): unknown {
  return taken === null ? null : Reflect.get(Object(taken.message), "id");
}

/** Takes everything of a queue. */
async function drained(state: ChatState): Promise<unknown[]> {
  const ids: unknown[] = [];
  for (let taken = await state.dequeue(THREAD); taken; taken = await state.dequeue(THREAD))
    ids.push(idOf(taken));
  return ids;
}

/** Claims about threads. */
export const chatThreadCases: readonly ChatStateCase[] = [
  {
    name: "a thread is subscribed until it is unsubscribed, and no other one is",
    async run({ state }) {
      assert.equal(await state.isSubscribed(THREAD), false);
      await state.subscribe(THREAD);
      await state.subscribe(THREAD);
      assert.deepEqual(
        [await state.isSubscribed(THREAD), await state.isSubscribed(OTHER)],
        [true, false],
      );
      await state.unsubscribe(THREAD);
      await state.unsubscribe(OTHER);
      assert.equal(await state.isSubscribed(THREAD), false);
    },
  },
  {
    name: "one of many callers acquires the lock of a thread",
    async run({ state }) {
      const locks = await atOnce(() => state.acquireLock(THREAD, LONG_MS));
      const won = locks.filter((lock) => lock !== null);
      assert.equal(won.length, 1);
      assert.equal(won[0]?.threadId, THREAD);
      assert.ok(await state.acquireLock(OTHER, LONG_MS), "the lock of another thread is free");
    },
  },
  {
    name: "a lock is released by its token alone",
    async run({ state }) {
      const lock = await locked(state);
      await state.releaseLock({ ...lock, token: "of another" });
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
      await state.releaseLock(lock);
      const next = await locked(state);
      assert.notEqual(next.token, lock.token);
      await state.releaseLock(lock);
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
    },
  },
  {
    name: "a lock ends by itself, and its holder can then neither extend nor release it",
    async run({ state, advance }) {
      const lock = await locked(state, SHORT_MS);
      await advance(SHORT_MS + 1);
      const next = await locked(state);
      assert.equal(await state.extendLock(lock, LONG_MS), false);
      await state.releaseLock(lock);
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
      assert.equal(await state.extendLock(next, LONG_MS), true);
    },
  },
  {
    name: "a lock that was extended ends later; one that was released or has ended is not revived",
    async run({ state, advance }) {
      const lock = await locked(state, SHORT_MS);
      assert.equal(await state.extendLock(lock, 3 * SHORT_MS), true);
      await advance(2 * SHORT_MS);
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
      await advance(SHORT_MS + 1);
      assert.equal(await state.extendLock(lock, LONG_MS), false);
      const next = await locked(state);
      await state.releaseLock(next);
      assert.equal(await state.extendLock(next, LONG_MS), false);
      assert.ok(await state.acquireLock(THREAD, LONG_MS));
    },
  },
  {
    name: "a lock is released by force, and its holder then does not release the next one",
    async run({ state }) {
      const lock = await locked(state);
      await state.forceReleaseLock(THREAD);
      await locked(state);
      await state.releaseLock(lock);
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
    },
  },
  {
    name: "a queue gives the oldest message first, and has a depth",
    async run({ state }) {
      for (const [at, id] of ["a", "b", "c"].entries())
        assert.equal(await state.enqueue(THREAD, entry(id), 10), at + 1);
      await state.enqueue(OTHER, entry("x"), 10);
      assert.equal(await state.queueDepth(THREAD), 3);
      assert.deepEqual(await drained(state), ["a", "b", "c"]);
      assert.deepEqual([await state.queueDepth(THREAD), await state.queueDepth(OTHER)], [0, 1]);
    },
  },
  {
    name: "a queue drops the oldest messages beyond its size",
    async run({ state }) {
      for (const id of ["a", "b", "c"]) await state.enqueue(THREAD, entry(id), 2);
      assert.equal(await state.enqueue(THREAD, entry("d"), 2), 2);
      assert.deepEqual(await drained(state), ["c", "d"]);
    },
  },
  {
    name: "messages that are enqueued at once all stay, and each is taken once",
    async run({ state }) {
      const depths = await atOnce((at) => state.enqueue(THREAD, entry(`${at}`), 100));
      assert.equal(new Set(depths).size, MANY);
      const taken = await atOnce(() => state.dequeue(THREAD));
      assert.equal(new Set(taken.map(idOf)).size, MANY);
      assert.equal(await state.queueDepth(THREAD), 0);
    },
  },
  {
    name: "a message in the queue does not change with the object of the caller",
    async run({ state }) {
      const message = { id: "before" };
      await state.enqueue(THREAD, { ...entry("before"), message }, 10);
      message.id = "after";
      assert.equal(idOf(await state.dequeue(THREAD)), "before");
    },
  },
  {
    name: "a message that comes after the last dequeue is not left in the queue",
    async run({ state }) {
      const lock = await locked(state);
      assert.equal(await state.dequeue(THREAD), null);
      const claim = state.acquireLock(THREAD, LONG_MS); // For the message; the holder goes on.
      await Promise.race([claim, new Promise((resolve) => setImmediate(resolve))]);
      await state.releaseLock(lock);
      const isWon = (await claim) !== null;
      if (!isWon) await state.enqueue(THREAD, entry("late"), 10); // As the SDK does.
      assert.ok(isWon, "the caller is refused, and no one looks at its message");
    },
  },
  {
    name: "the last dequeue finds the message of a caller that was refused before it",
    async run({ state }) {
      await locked(state);
      assert.equal(await state.acquireLock(THREAD, LONG_MS), null);
      const last = state.dequeue(THREAD);
      await state.queueDepth(THREAD); // As the SDK does before it enqueues.
      await state.enqueue(THREAD, entry("late"), 10);
      assert.equal(idOf(await last), "late");
    },
  },
  {
    name: "everything is there after a restart",
    needsReopen: true,
    async run({ state, reopen }) {
      const lock = await locked(state);
      await state.subscribe(THREAD);
      await state.enqueue(OTHER, entry("a"), 10);
      await state.set("k", 1);
      await state.appendToList("l", 1);
      const next = await reopen();
      assert.equal(await next.isSubscribed(THREAD), true);
      assert.equal(await next.acquireLock(THREAD, LONG_MS), null);
      assert.equal(await next.extendLock(lock, LONG_MS), true);
      assert.equal(idOf(await next.dequeue(OTHER)), "a");
      assert.deepEqual([await next.get("k"), await next.getList("l")], [1, [1]]);
    },
  },
];
