/**
 * The indexes of a runtime: definitions in a scope of each space, postings in memory, filled from
 * the stored maps at the first search of a space.
 */
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { ResidentScope } from "../../runtime/resident-scope.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { fieldsOf, livesUntil, type EntryState } from "./entry.ts";
import { Failure } from "./error.ts";
import { IndexSet, noSuchIndex } from "./index-set.ts";
import type { IndexDefinition } from "./index-option.ts";
import { prefixOf } from "./space.ts";

const INDEX_TYPE = "vcr-index";

interface IndexState {
  /** Definitions as JSON text; each name has a colon as its prefix. */
  readonly indexes?: Readonly<Record<string, string>>;
}

const indexKind: Kind<IndexState> = defineKind({
  livesUntil: ({ indexes }: IndexState) =>
    indexes === undefined || Object.keys(indexes).length === 0 ? 0 : Infinity,
});

/** The source of a space's keys for the indexes. */
export interface IndexSource {
  readonly runtime: Runtime;
  readonly list: (prefix: string) => AsyncIterable<readonly string[]>;
  readonly open: (id: string) => Promise<ResidentScope>;
}

/** The indexes of a runtime, by space. */
export class EmbeddedIndexes {
  readonly #source: IndexSource;
  /** Each set receives writes from before its first fill on, so that none is missed. */
  readonly #sets = new Map<string, IndexSet>();
  readonly #ready = new Map<string, Promise<IndexSet>>();

  constructor(source: IndexSource) {
    this.#source = source;
    source.runtime.declare(INDEX_TYPE, indexKind);
  }

  /** A key was written or read again. */
  observe(id: string, state: object): void {
    if (this.#sets.size === 0) return;
    const prefix = prefixOf(id);
    const set = this.#sets.get(prefix);
    if (set !== undefined) put(set, id.slice(prefix.length), state);
  }

  /** The indexes of a space, filled. */
  of(prefix: string): Promise<IndexSet> {
    const ready = this.#ready.get(prefix);
    if (ready !== undefined) return ready;
    const filling = this.#fill(prefix);
    this.#ready.set(prefix, filling);
    filling.then(
      (set) => {
        if (set.size === 0) this.#forget(prefix);
      },
      () => this.#forget(prefix),
    );
    return filling;
  }

  /** Throws `INDEX_EXISTS`. */
  async create(prefix: string, name: string, definition: IndexDefinition): Promise<void> {
    const filled = await this.of(prefix); // Before the definition exists: it may skip the scan.
    const scope = await this.#scope(prefix);
    await scope.update((draft) => {
      const indexes = { ...draft.indexes };
      if (Object.hasOwn(indexes, `:${name}`))
        throw new Failure("INDEX_EXISTS", "Index already exists");
      draft.indexes = { ...indexes, [`:${name}`]: JSON.stringify(definition) };
    });
    const set = this.#sets.get(prefix) ?? filled;
    set.add(name, definition);
    this.#sets.set(prefix, set);
    this.#ready.set(prefix, Promise.resolve(set));
    if (definition.skipInitialScan === true) return;
    try {
      await this.#scan(prefix, set, name);
    } catch (error) {
      this.#forget(prefix); // It lacks keys: the next call fills it again.
      throw error;
    }
  }

  /** Resolves to the keys that were in the index. Throws `NO_SUCH_INDEX`. */
  async drop(prefix: string, name: string): Promise<string[]> {
    const set = await this.of(prefix);
    const keys = set.keysIn(name);
    const scope = await this.#scope(prefix);
    await scope.update((draft) => {
      const { [`:${name}`]: dropped, ...rest } = draft.indexes ?? {};
      if (dropped === undefined) throw noSuchIndex(name);
      draft.indexes = rest;
    });
    set.drop(name);
    if (set.size === 0) this.#forget(prefix);
    return keys;
  }

  #scope(prefix: string): Promise<Scope<{ indexes?: Record<string, string> }>> {
    return this.#source.runtime.open(INDEX_TYPE, prefix);
  }

  #forget(prefix: string): void {
    this.#sets.delete(prefix);
    this.#ready.delete(prefix);
  }

  async #fill(prefix: string): Promise<IndexSet> {
    const set = await IndexSet.create();
    const scope = await this.#scope(prefix);
    for (const [name, text] of Object.entries(scope.state.indexes ?? {})) {
      // A stored definition was checked before.
      set.add(name.slice(1), JSON.parse(text) as IndexDefinition);
    }
    if (set.size === 0) return set;
    this.#sets.set(prefix, set);
    await this.#scan(prefix, set);
    return set;
  }

  async #scan(prefix: string, set: IndexSet, only?: string): Promise<void> {
    for await (const ids of this.#source.list(prefix)) {
      const scopes = await Promise.all(ids.map((id) => this.#source.open(id)));
      scopes.forEach((scope, at) => {
        put(set, (ids[at] ?? "").slice(prefix.length), scope.state, only);
      });
    }
  }
}

/** Updates a set for a key; a state that is not a map is removed from every index. Never throws. */
function put(set: IndexSet, key: string, state: object, only?: string): void {
  // Each key's state is an entry; its content is checked here and by the engine.
  const entry = state as EntryState;
  const endsAt = livesUntil(entry);
  try {
    const fields = endsAt === 0 || entry.map === undefined ? undefined : fieldsOf(entry.map);
    set.put(key, fields && { fields, endsAt }, only);
  } catch {
    set.put(key, undefined, only); // A damaged map: a read reports it.
  }
}
