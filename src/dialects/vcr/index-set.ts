/**
 * The indexes of one space, in memory. The store of the keys passes each written map to them.
 *
 * Invariants
 *  X1  A map is in exactly the indexes one of whose prefixes its key starts with.
 *  X2  No search finds an expired map, also before it is removed.
 */
import { LIMIT_MAX } from "./search/limit.ts";
import type { SearchResult } from "./search/result.ts";
import type { SearchIndex } from "./search/search-index.ts";
import { Failure } from "./error.ts";
import { searchOptions, type IndexDefinition, type StateSearchOptions } from "./index-option.ts";
import { loadEngine, type Engine } from "./engine.ts";

/** The fields of a map. */
export type MapFields = readonly (readonly [string, string])[];

interface Indexed {
  readonly definition: IndexDefinition;
  readonly index: SearchIndex;
}

/** The failure for a name without an index. */
export function noSuchIndex(name: string): Failure {
  return new Failure("NO_SUCH_INDEX", `No such index ${name}`);
}

/** The indexes of one space. */
export class IndexSet {
  readonly #engine: Engine;
  readonly #indexes = new Map<string, Indexed>();
  /** The expiry of each map that has one. */
  readonly #ends = new Map<string, number>();

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A space without indexes, once the engine is loaded. */
  static async create(): Promise<IndexSet> {
    return new IndexSet(await loadEngine());
  }

  get size(): number {
    return this.#indexes.size;
  }

  has(name: string): boolean {
    return this.#indexes.has(name);
  }

  add(name: string, definition: IndexDefinition): void {
    this.#indexes.set(name, { definition, index: this.#engine.createSearchIndex(definition) });
  }

  /** Throws `NO_SUCH_INDEX`. */
  drop(name: string): void {
    if (!this.#indexes.delete(name)) throw noSuchIndex(name);
  }

  /** Adds or replaces a map; `undefined` removes it. `only` names the one index to update. */
  put(key: string, map: { fields: MapFields; endsAt: number } | undefined, only?: string): void {
    const notified = only === undefined ? this.#indexes.values() : [this.#find(only)];
    for (const { definition, index } of notified) {
      const isIn = definition.prefixes.some((prefix) => key.startsWith(prefix));
      if (map === undefined || !isIn) index.delete(key);
      else index.put(key, map.fields);
    }
    if (map === undefined || map.endsAt === Infinity) this.#ends.delete(key);
    else this.#ends.set(key, map.endsAt);
  }

  /** Throws `NO_SUCH_INDEX`, and the engine's error for the query. */
  search(
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
    now: number,
  ): SearchResult {
    const { index } = this.#find(name);
    const options = searchOptions(query.options);
    for (const [key, endsAt] of this.#ends) if (endsAt <= now) this.put(key, undefined);
    return index.search(query.text, options);
  }

  /** The keys of the maps in an index. */
  keysIn(name: string): string[] {
    const limit = { offset: 0, num: LIMIT_MAX };
    const { hits } = this.#find(name).index.search("*", { noContent: true, limit });
    return hits.map(({ id }) => id);
  }

  #find(name: string): Indexed {
    const found = this.#indexes.get(name);
    if (found === undefined) throw noSuchIndex(name);
    return found;
  }
}
