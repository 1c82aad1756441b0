/** A storage adapter of Keyv. */
import { EventEmitter } from "node:events";
import type { KeyvEntry, KeyvStoreAdapter, StoredData } from "keyv";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";

/** Options of `KeyvHoldfast`. */
export interface KeyvHoldfastOptions extends KeptOptions {}

/**
 * A storage adapter of Keyv over a runtime: `new Keyv({ store: new KeyvHoldfast({ runtime }) })`.
 * Each key is a scope, so a value is replaced as a whole, in the order of the calls. Each Keyv has
 * an adapter of its own; any number of them share a runtime.
 */
export class KeyvHoldfast extends EventEmitter implements KeyvStoreAdapter {
  /** What Keyv reads of an adapter: it iterates over adapters of the dialects it knows. */
  readonly opts: { readonly dialect: string; readonly url: string; [name: string]: unknown };
  /** Set by Keyv: what `clear` removes, and what an iteration gives. */
  namespace?: string | undefined;
  readonly #values: KeptValues;
  readonly #now: () => number;

  /** Throws `TypeError` for an unknown option. */
  constructor(options: KeyvHoldfastOptions) {
    super();
    this.#values = new KeptValues(options, { where: "KeyvHoldfast", type: "keyv" });
    const { clock } = options.runtime;
    this.#now = () => clock.now();
    this.opts = { dialect: "redis", url: "" };
  }

  /** The value of a key, as Keyv gave it; `undefined` when there is none, or none any more. */
  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    const value = await this.#values.get(key);
    return mutableCopy(value) as StoredData<Value> | undefined; // As it was set.
  }

  /** The values of some keys, in their order. */
  async getMany<Value>(keys: string[]): Promise<StoredData<Value | undefined>[]> {
    const values = await this.#values.getMany(keys);
    return values.map((value) => mutableCopy(value) as StoredData<Value>); // As above.
  }

  /** Replaces the value of a key; `ttl`: milliseconds until it is removed. */
  async set(key: string, value: unknown, ttl?: number): Promise<void> {
    const hasEnd = ttl !== undefined && ttl > 0 && ttl !== Infinity;
    await this.#values.set(key, value, hasEnd ? this.#now() + ttl : undefined);
  }

  /** Replaces many values; the store gets them together. */
  async setMany(entries: KeyvEntry[]): Promise<void> {
    await Promise.all(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  /** Removes a key; resolves to whether it was there. */
  delete(key: string): Promise<boolean> {
    return this.#values.delete(key);
  }

  /** Removes many keys; resolves to whether all were there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    const removed = await Promise.all(keys.map((key) => this.delete(key)));
    return removed.every(Boolean);
  }

  /** True for a key that has a value. */
  async has(key: string): Promise<boolean> {
    const [has = false] = await this.hasMany([key]);
    return has;
  }

  /** Which of these keys have a value. */
  hasMany(keys: string[]): Promise<boolean[]> {
    return this.#values.hasMany(keys);
  }

  /** Removes the keys of the namespace; without one, all keys of the adapter's kind. */
  clear(): Promise<void> {
    return this.#values.clear(this.#prefix());
  }

  /** Keys and values, those of the namespace, page by page. */
  async *iterator<Value>(
    namespace: string | undefined = this.namespace,
  ): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
    for await (const [key, value] of this.#values.entries(this.#prefix(namespace)))
      yield [key, mutableCopy(value) as Awaited<Value>]; // As above.
  }

  /** Leaves the runtime open: its owner closes it. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  #prefix(namespace: string | undefined = this.namespace): string {
    return namespace === undefined ? "" : `${namespace}:`;
  }
}
