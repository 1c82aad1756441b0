/**
 * Values under keys, each in a scope of its own: what the storage interfaces of other systems ask
 * for.
 *
 * Invariants
 *  K1  A value is one field of a state: any value of a state can be kept, also `{}` and `null`, and
 *      a key without a value has no record.
 *  K2  A read gives what the store has now, and makes nothing resident.
 *  K3  Keys of one prefix never reach those of another adapter: each adapter has kinds of its own.
 */
import { refuseUnknown } from "../../../actors/scope/options.ts";
import type { DeepReadonly } from "../../../actors/state-types.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { checkRuntime } from "./check-runtime.ts";

/** The state of a key. */
export interface KeptValue<T = unknown> {
  readonly value?: T;
  /** When the value expires, in milliseconds since the epoch; absent: never. */
  readonly until?: number;
}

/** Options that each adapter takes. */
export interface KeptOptions {
  /** Where the values are kept; closing the adapter leaves it open. */
  readonly runtime: Runtime;
  /**
   * The kind of the scopes. By default a kind of the adapter's own, added to the runtime; the name
   * of a declared one adds a time to live or a history. Its states are `{ value }`.
   */
  readonly type?: string | undefined;
  /** Begins the ids of the scopes; default none. For several users of one runtime. */
  readonly prefix?: string | undefined;
}

/** The names of those options. */
const KEPT_OPTIONS: readonly string[] = ["runtime", "type", "prefix"];

/** The kind of all adapters that keep values. */
const VALUE_KIND: Kind = defineKind({
  // Each adapter that writes states of the kind writes a `KeptValue`.
  livesUntil: (state) => (state as KeptValue).until ?? Infinity,
});

/** What an adapter is called in messages, and its own kind. */
export interface KeptPlace {
  readonly where: string;
  readonly type: string;
  /** Options besides those of every adapter. */
  readonly more?: readonly string[];
}

/** Values under keys; see the head of this file. */
export class KeptValues<T = unknown> {
  readonly #runtime: Runtime;
  readonly #type: string;
  readonly #prefix: string;

  /** Throws `TypeError` for an unknown option, and where there is no runtime. */
  constructor(options: KeptOptions, { where, type, more = [] }: KeptPlace) {
    refuseUnknown(where, options, [...KEPT_OPTIONS, ...more]);
    const { runtime, prefix = "" } = options;
    checkRuntime(where, runtime);
    this.#runtime = runtime;
    this.#type = options.type ?? type;
    this.#prefix = prefix;
    if (options.type === undefined) runtime.declare(type, VALUE_KIND);
  }

  /** The kind of the scopes. */
  get type(): string {
    return this.#type;
  }

  /** The scope of a key. */
  open(key: string): Promise<Scope<KeptValue<T>>> {
    return this.#runtime.open<KeptValue<T>>(this.#type, this.#prefix + key);
  }

  /** The values of some keys, frozen; `undefined` for a key without one. */
  async getMany(keys: readonly string[]): Promise<(DeepReadonly<T> | undefined)[]> {
    const states = await this.#read(keys);
    return states.map((state) => state?.value);
  }

  /** The value of a key, frozen; `undefined` when there is none. */
  async get(key: string): Promise<DeepReadonly<T> | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  /** Which of these keys have a value. */
  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    const states = await this.#read(keys);
    return states.map((state) => state !== undefined);
  }

  /** Replaces the value of a key; `until`: when it expires. */
  async set(key: string, value: T, until?: number): Promise<void> {
    const scope = await this.open(key);
    await scope.setState(until === undefined ? { value } : { value, until });
  }

  /** Removes the value of a key; resolves to whether there was one. */
  async delete(key: string): Promise<boolean> {
    return (await this.open(key)).delete();
  }

  /** Keys and values, those that start with `prefix`, page by page. */
  async *entries(prefix = ""): AsyncGenerator<[key: string, value: DeepReadonly<T>], void> {
    const options = { type: this.#type, prefix: this.#prefix + prefix, states: true } as const;
    for await (const { id, state } of this.#runtime.list(options)) {
      // As above; what is listed has a value.
      const { value } = state as DeepReadonly<KeptValue<T>>;
      yield [id.slice(this.#prefix.length), value as DeepReadonly<T>];
    }
  }

  /** The keys that start with `prefix`, page by page. */
  async *keys(prefix = ""): AsyncGenerator<string, void> {
    const options = { type: this.#type, prefix: this.#prefix + prefix };
    for await (const { id } of this.#runtime.list(options)) yield id.slice(this.#prefix.length);
  }

  /** Removes the values whose keys start with `prefix`. */
  async clear(prefix = ""): Promise<void> {
    await this.#runtime.deleteAll({ type: this.#type, prefix: this.#prefix + prefix });
  }

  async #read(keys: readonly string[]): Promise<(DeepReadonly<KeptValue<T>> | undefined)[]> {
    const ids = keys.map((key) => this.#prefix + key);
    const found = await this.#runtime.read<KeptValue<T>>(this.#type, ids);
    return found.map((read) => read?.state);
  }
}
