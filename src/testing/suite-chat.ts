/** A state adapter of the Chat SDK as the suite uses it, and what its cases have in common. */

/** A lock of a thread. */
export interface ChatLock {
  readonly threadId: string;
  readonly token: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** A message that waits for the lock of its thread. */
export interface ChatQueueEntry {
  readonly message: unknown;
  readonly enqueuedAt: number;
  readonly expiresAt: number;
}

/** A `StateAdapter` of the Chat SDK, as far as the suite uses it. */
export interface ChatState {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(threadId: string): Promise<void>;
  unsubscribe(threadId: string): Promise<void>;
  isSubscribed(threadId: string): Promise<boolean>;
  acquireLock(threadId: string, ttlMs: number): Promise<ChatLock | null>;
  extendLock(lock: ChatLock, ttlMs: number): Promise<boolean>;
  releaseLock(lock: ChatLock): Promise<void>;
  forceReleaseLock(threadId: string): Promise<void>;
  enqueue(threadId: string, entry: ChatQueueEntry, maxSize: number): Promise<number>;
  dequeue(threadId: string): Promise<ChatQueueEntry | null>;
  queueDepth(threadId: string): Promise<number>;
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs?: number): Promise<void>;
  setIfNotExists(key: string, value: unknown, ttlMs?: number): Promise<boolean>;
  delete(key: string): Promise<void>;
  appendToList(
    key: string,
    value: unknown,
    options?: { maxLength?: number; ttlMs?: number },
  ): Promise<void>;
  getList(key: string): Promise<unknown[]>;
}

/** The adapter of a case. */
export interface ChatSession {
  readonly state: ChatState;
  readonly advance: (ms: number) => Promise<void>;
  /** Disconnects the adapter; resolves to another one on its data. */
  readonly reopen: () => Promise<ChatState>;
}

/** One claim about an adapter. */
export interface ChatStateCase {
  readonly name: string;
  readonly needsReopen?: boolean;
  run(session: ChatSession): Promise<void>;
}

/** Milliseconds of a lock or a value that ends in a case. */
export const SHORT_MS = 200;
/** Calls that are made at once. */
export const MANY = 20;

/** Makes `MANY` calls at once. */
export async function atOnce<T>(call: (at: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: MANY }, (_, at) => call(at)));
}
