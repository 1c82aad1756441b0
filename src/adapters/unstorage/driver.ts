/** A driver of unstorage. */
import type { Driver, TransactionOptions, WatchCallback } from "unstorage";
import type { StateChange } from "../../../actors/protocol.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";

/** Options of `holdfastDriver`. */
export interface DriverOptions extends KeptOptions {
  /** Seconds after a write until a value is removed, as unstorage counts; default never. */
  readonly ttl?: number | undefined;
}

type Value = ReturnType<Driver["getItem"]> extends infer V ? Awaited<V> : never;

/**
 * A driver of unstorage over a runtime: `createStorage({ driver: holdfastDriver({ runtime }) })`.
 * Each key is a scope, so a value is replaced as a whole, in the order of the calls. `watch`
 * reports the changes of other processes too, where the store does. Throws `TypeError` for an
 * unknown option and `RangeError` for a `ttl` that is not above 0.
 */
export function holdfastDriver(options: DriverOptions): Driver<DriverOptions, Runtime> {
  const place = { where: "holdfastDriver", type: "unstorage", more: ["ttl"] };
  const values = new KeptValues(options, place);
  const { runtime, prefix = "" } = options;
  const set = (key: string, value: unknown, { ttl = options.ttl }: TransactionOptions = {}) =>
    values.set(key, value, endOf(runtime, ttl));
  endOf(runtime, options.ttl);
  return {
    name: "holdfast",
    options,
    getInstance: () => runtime,
    async hasItem(key) {
      const [has = false] = await values.hasMany([key]);
      return has;
    },
    getItem: async (key) => valueOf(await values.get(key)),
    async getItems(items) {
      const found = await values.getMany(items.map(({ key }) => key));
      return items.map(({ key }, at) => ({ key, value: valueOf(found[at]) }));
    },
    getItemRaw: async (key) => valueOf(await values.get(key)),
    setItem: set,
    setItemRaw: set,
    async setItems(items, common) {
      await Promise.all(
        items.map(({ key, value, options: own }) => set(key, value, { ...common, ...own })),
      );
    },
    async removeItem(key) {
      await values.delete(key);
    },
    getKeys: async (base) => collected(values.keys(base)),
    clear: (base) => values.clear(base),
    dispose: () => undefined, // The owner of the runtime closes it.
    watch(callback: WatchCallback) {
      return runtime.subscribe((change) => {
        const { type, id } = change.scope;
        if (type !== values.type || !id.startsWith(prefix)) return;
        callback(isRemoval(change) ? "remove" : "update", id.slice(prefix.length));
      });
    },
  };
}

/** True for a change that leaves a key without a value. */
function isRemoval({ operation, patches }: StateChange): boolean {
  // What another process did is known by the state that it led to.
  const whole = patches.findLast(({ path }) => path.length === 0);
  return operation === "delete" || (whole !== undefined && !("value" in Object(whole.value)));
}

/** A value as it was set; unstorage writes `null` for none. */
function valueOf(value: unknown): Value {
  return value === undefined ? null : (mutableCopy(value) as Value);
}

function endOf(runtime: Runtime, seconds: unknown): number | undefined {
  if (seconds === undefined || seconds === Infinity) return undefined;
  if (typeof seconds !== "number" || !(seconds > 0)) {
    const received = typeof seconds === "number" ? seconds : typeof seconds;
    throw new RangeError(`ttl must be a number of seconds above 0, received ${received}`);
  }
  return runtime.clock.now() + seconds * 1_000;
}

async function collected(keys: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const key of keys) found.push(key);
  return found;
}
