/** The state adapter of the Chat SDK over a runtime. */
import { randomUUID } from "node:crypto";
import type { Lock, QueueEntry, StateAdapter } from "chat";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";
import { Thread, THREAD_KIND } from "./thread.ts";

/** Options of `createHoldfastState`. */
export interface HoldfastStateOptions extends Pick<KeptOptions, "runtime" | "prefix"> {
  /**
   * Milliseconds that the last `dequeue` of a lock waits for the message of a caller that was
   * refused the lock and has not enqueued it yet; default 2,000.
   */
  readonly claimMs?: number | undefined;
}

/**
 * A `StateAdapter` of the Chat SDK: subscriptions, locks, queues, cached values and lists in the
 * store of the runtime. Throws `TypeError` for an unknown option, and `RangeError` for a time that
 * is no number or negative; calls reject with `StateSerializationError` for a value that cannot be
 * kept.
 */
export function createHoldfastState(options: HoldfastStateOptions): StateAdapter {
  return new HoldfastState(options);
}

const WHERE = "createHoldfastState";
const THREADS = "chat-sdk-thread";
const CLAIM_MS = 2_000;

class HoldfastState implements StateAdapter {
  readonly #runtime: KeptOptions["runtime"];
  readonly #prefix: string;
  readonly #claimMs: number;
  readonly #values: KeptValues;
  readonly #subscriptions: KeptValues;
  /**
   * Threads whose lock was acquired here: the next call of a holder that debounces is the `enqueue`
   * of its own message, while a caller that was refused asks for `queueDepth` first.
   */
  readonly #acquired = new Set<string>();

  constructor(options: HoldfastStateOptions) {
    refuseUnknown(WHERE, options, ["runtime", "prefix", "claimMs"]);
    const { runtime, prefix = "", claimMs } = options;
    const kept = { runtime, prefix };
    this.#values = new KeptValues(kept, { where: WHERE, type: "chat-sdk-value" });
    this.#subscriptions = new KeptValues(kept, { where: WHERE, type: "chat-sdk-subscription" });
    runtime.declare(THREADS, THREAD_KIND);
    this.#runtime = runtime;
    this.#prefix = prefix;
    this.#claimMs = msOf("claimMs", claimMs, CLAIM_MS);
  }

  async connect(): Promise<void> {}

  async disconnect(): Promise<void> {}

  async subscribe(threadId: string): Promise<void> {
    await this.#subscriptions.set(threadId, true);
  }

  async unsubscribe(threadId: string): Promise<void> {
    await this.#subscriptions.delete(threadId);
  }

  async isSubscribed(threadId: string): Promise<boolean> {
    const [is = false] = await this.#subscriptions.hasMany([threadId]);
    return is;
  }

  async acquireLock(threadId: string, ttlMs: number): Promise<Lock | null> {
    const token = randomUUID();
    const claim = { token, ttlMs: msOf("ttlMs", ttlMs, 0), claimMs: this.#claimMs };
    const expiresAt = await (await this.#thread(threadId)).acquire(claim);
    if (expiresAt === null) return null;
    this.#acquired.add(threadId);
    return { threadId, token, expiresAt };
  }

  async extendLock({ threadId, token }: Lock, ttlMs: number): Promise<boolean> {
    return (await this.#thread(threadId)).extend(token, msOf("ttlMs", ttlMs, 0));
  }

  async releaseLock({ threadId, token }: Lock): Promise<void> {
    this.#acquired.delete(threadId);
    await (await this.#thread(threadId)).release(token);
  }

  async forceReleaseLock(threadId: string): Promise<void> {
    this.#acquired.delete(threadId);
    await (await this.#thread(threadId)).release();
  }

  async enqueue(threadId: string, entry: QueueEntry, maxSize: number): Promise<number> {
    const isHolder = this.#acquired.delete(threadId);
    const kept = { ...entry, message: jsonOf(entry.message) };
    return (await this.#thread(threadId)).enqueue(kept, maxSize, isHolder);
  }

  async dequeue(threadId: string): Promise<QueueEntry | null> {
    this.#acquired.delete(threadId);
    return mutableCopy(await (await this.#thread(threadId)).dequeue());
  }

  async queueDepth(threadId: string): Promise<number> {
    this.#acquired.delete(threadId);
    return (await this.#thread(threadId)).depth();
  }

  async get<T>(key: string): Promise<T | null> {
    return mutableCopy((await this.#values.get(key)) ?? null) as T | null; // It was set as a T.
  }

  async set(key: string, value: unknown, ttlMs?: number): Promise<void> {
    await this.#values.set(key, value ?? null, this.#endOf(ttlMs).until);
  }

  async setIfNotExists(key: string, value: unknown, ttlMs?: number): Promise<boolean> {
    const state = { value: mutableCopy(value ?? null), ...this.#endOf(ttlMs) };
    const scope = await this.#values.open(key);
    return scope.transact((draft) => {
      if ("value" in draft) return false;
      Object.assign(draft, state);
      return true;
    });
  }

  async delete(key: string): Promise<void> {
    await this.#values.delete(key);
  }

  async appendToList(
    key: string,
    value: unknown,
    { maxLength = 0, ttlMs }: { maxLength?: number; ttlMs?: number } = {},
  ): Promise<void> {
    const end = this.#endOf(ttlMs);
    const item = mutableCopy(value ?? null);
    const scope = await this.#values.open(key);
    await scope.transact((draft) => {
      const list = Array.isArray(draft.value) ? draft.value : (draft.value = []);
      list.push(item);
      if (maxLength > 0 && list.length > maxLength) list.splice(0, list.length - maxLength);
      delete draft.until;
      Object.assign(draft, end);
    });
  }

  async getList<T>(key: string): Promise<T[]> {
    const list = await this.#values.get(key);
    return Array.isArray(list) ? mutableCopy(list) : [];
  }

  async #thread(id: string): Promise<Thread> {
    const scope = await this.#runtime.open(THREADS, this.#prefix + id);
    return new Thread(scope, this.#runtime.clock);
  }

  /** When a value with that time to live ends; none for 0, as in the adapters of the SDK. */
  #endOf(ttlMs: number | undefined): { until?: number } {
    const ttl = msOf("ttlMs", ttlMs, 0);
    return ttl === 0 || ttl === Infinity ? {} : { until: this.#runtime.clock.now() + ttl };
  }
}

/** Milliseconds; throws `RangeError` for what is no number, and below 0. */
function msOf(name: string, value: number | undefined, fallback: number): number {
  const ms = durationOption(name, value, fallback);
  if (ms >= 0) return ms;
  throw new RangeError(`${name} must not be negative, received ${ms}`);
}

/** As JSON, of which the SDK makes a message again; the scope refuses what is no JSON. */
function jsonOf<T>(message: T): T {
  try {
    return JSON.parse(JSON.stringify(message));
  } catch {
    return message;
  }
}
