/**
 * An index in this process over the maps of a Redis server. It is filled at the first search of a
 * space and updated by the writes of this process. Later writes of other processes are visible only
 * after a restart.
 *
 * Invariants
 *  X3  A search reads again every key that was written here since the previous search, and every
 *      key that may have expired.
 */
import { Failure } from "./error.ts";
import { IndexSet, noSuchIndex } from "./index-set.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import type { SearchResult } from "./search/result.ts";
import type { Target } from "./space.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { RedisIndexes } from "./redis-index.ts";
import { scanKeys } from "./redis-scan.ts";

/** The number of maps read in parallel. */
const READ_MAX = 500;

interface SpaceIndex {
  readonly set: IndexSet;
  /** Keys written since they were last read, the latest last. */
  readonly stale: Set<string>;
}

/** Indexes in this process, by space. */
export class LocalIndexes implements RedisIndexes {
  readonly #connection: RedisConnection;
  readonly #spaces = new Map<string, SpaceIndex>();
  readonly #ready = new Map<string, Promise<SpaceIndex>>();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  wrote({ space, key }: Target): void {
    const stale = this.#spaces.get(space.prefix)?.stale;
    stale?.delete(key);
    stale?.add(key);
  }

  async create(prefix: string, name: string, definition: IndexDefinition): Promise<void> {
    const filled = await this.#space(prefix);
    const text = JSON.stringify(definition);
    if ((await this.#connection.send("HSETNX", indexKey(prefix), name, text)) === "0")
      throw new Failure("INDEX_EXISTS", "Index already exists");
    const space = this.#spaces.get(prefix) ?? filled;
    this.#spaces.set(prefix, space);
    this.#ready.set(prefix, Promise.resolve(space));
    space.set.add(name, definition);
    if (definition.skipInitialScan === true) return;
    try {
      await this.#read(prefix, space.set, await scanKeys(this.#connection, prefix));
    } catch (error) {
      this.#forget(prefix); // It lacks keys: the next call fills it again.
      throw error;
    }
  }

  async drop(prefix: string, name: string, withDocuments: boolean): Promise<void> {
    const space = await this.#fresh(prefix);
    const keys = space.set.keysIn(name);
    if ((await this.#connection.send("HDEL", indexKey(prefix), name)) === "0")
      throw noSuchIndex(name);
    space.set.drop(name);
    if (space.set.size === 0) this.#forget(prefix);
    if (!withDocuments) return;
    await Promise.all(keys.map((key) => this.#connection.send("DEL", prefix + key)));
    for (const key of keys) space.set.put(key, undefined);
  }

  async search(
    prefix: string,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult> {
    const { set } = await this.#fresh(prefix);
    return set.search(name, query, Date.now());
  }

  /** The indexes of a space, updated with the writes of this process. */
  async #fresh(prefix: string): Promise<SpaceIndex> {
    const space = await this.#space(prefix);
    const before = this.#reading.get(prefix) ?? Promise.resolve();
    const keys = [...space.stale];
    space.stale.clear();
    const reading = before.then(() => this.#read(prefix, space.set, keys));
    const settled = reading.catch(() => {
      for (const key of keys) space.stale.add(key); // The next search reads them.
    });
    this.#reading.set(prefix, settled);
    await reading;
    if (this.#reading.get(prefix) === settled) this.#reading.delete(prefix);
    return space;
  }

  #space(prefix: string): Promise<SpaceIndex> {
    const ready = this.#ready.get(prefix);
    if (ready !== undefined) return ready;
    const filling = this.#fill(prefix);
    this.#ready.set(prefix, filling);
    filling.then(
      ({ set }) => {
        if (set.size === 0) this.#forget(prefix);
      },
      () => this.#forget(prefix),
    );
    return filling;
  }

  #forget(prefix: string): void {
    this.#spaces.delete(prefix);
    this.#ready.delete(prefix);
  }

  async #fill(prefix: string): Promise<SpaceIndex> {
    const space = { set: await IndexSet.create(), stale: new Set<string>() };
    const found = await this.#connection.send("HGETALL", indexKey(prefix));
    for (const [name, text] of pairs(found)) {
      // A stored definition was checked before.
      space.set.add(name, JSON.parse(text) as IndexDefinition);
    }
    if (space.set.size === 0) return space;
    this.#spaces.set(prefix, space);
    await this.#read(prefix, space.set, await scanKeys(this.#connection, prefix));
    return space;
  }

  async #read(prefix: string, set: IndexSet, keys: readonly string[]): Promise<void> {
    for (let at = 0; at < keys.length; at += READ_MAX) {
      const part = keys.slice(at, at + READ_MAX);
      const maps = await Promise.all(part.map((key) => this.#map(prefix + key)));
      part.forEach((key, index) => set.put(key, maps[index]));
    }
  }

  async #map(id: string): Promise<{ fields: [string, string][]; endsAt: number } | undefined> {
    if ((await this.#connection.send("TYPE", id)) !== "hash") return undefined;
    const [map = null, end] = await this.#connection.sendAll([
      ["HGETALL", id],
      ["PEXPIRETIME", id],
    ]);
    const fields = pairs(map);
    const endsAt = Number(end);
    return fields.length === 0 ? undefined : { fields, endsAt: endsAt < 0 ? Infinity : endsAt };
  }
}

/** The key of a space's definitions; no key of a state starts like this. */
function indexKey(prefix: string): string {
  return `vcr-index:${prefix}`;
}

function pairs(reply: unknown): [string, string][] {
  const flat = Array.isArray(reply) ? reply : [];
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2)
    found.push([String(flat[at]), String(flat[at + 1])]);
  return found;
}
