/**
 * The working copy of one document in a turn.
 *
 * A stored value is copied at its first read and returned live: changes in place are found when the
 * turn is saved. Keys that are never read are never copied or compared.
 *
 * Invariants
 *  K1  `base` is never returned and never changed.
 *  K2  Only own keys exist: `__proto__` is an ordinary one.
 */
import type { Json, JsonObject, ScopeIdentity } from "../../../actors/protocol.ts";
import { GONE, thaw, toJson, type ValuesPolicy } from "./json.ts";
import { at, merge, same, type MaybeJson } from "./merge.ts";

/** The changes of a turn to a document, key by key. */
export type Edit = ReadonlyMap<string, MaybeJson>;

/** A document as one turn sees it. */
export class Working {
  /** As it is stored. */
  #base: JsonObject;
  /** The values that were returned, set or removed. */
  #live = new Map<string, unknown>();

  constructor(base: JsonObject = {}) {
    this.#base = base;
  }

  get base(): JsonObject {
    return this.#base;
  }

  get(key: string): unknown {
    if (this.#live.has(key)) {
      const value = this.#live.get(key);
      return value === GONE ? undefined : value;
    }
    const stored = at(this.#base, key);
    if (stored === GONE) return undefined;
    if (typeof stored !== "object" || stored === null) return stored;
    const value = thaw(stored);
    this.#live.set(key, value);
    return value;
  }

  set(key: string, value: unknown): void {
    this.#live.set(key, value);
  }

  has(key: string): boolean {
    return this.#live.has(key) ? this.#live.get(key) !== GONE : Object.hasOwn(this.#base, key);
  }

  delete(key: string): void {
    if (Object.hasOwn(this.#base, key)) this.#live.set(key, GONE);
    else this.#live.delete(key);
  }

  clear(): void {
    this.#live.clear();
    for (const key of Object.keys(this.#base)) this.#live.set(key, GONE);
  }

  /** True when there is no key. */
  get empty(): boolean {
    for (const value of this.#live.values()) if (value !== GONE) return false;
    return Object.keys(this.#base).every((key) => this.#live.has(key));
  }

  /** The keys that differ from the stored document. Throws when a value cannot be stored. */
  edit(values: ValuesPolicy, scope: ScopeIdentity): Edit {
    const edit = new Map<string, MaybeJson>();
    for (const [key, value] of this.#live) {
      const next = value === GONE ? GONE : toJson(value, values, { path: key, scope });
      if (!same(at(this.#base, key), next)) edit.set(key, next);
    }
    return edit;
  }

  /** Adopts the stored document as the base; the returned values stay live. */
  confirm(stored: JsonObject): void {
    this.#base = stored;
  }

  /** The document was deleted; what was set since is kept, or discarded too. */
  reset(since: "keep" | "lose"): void {
    this.#base = {};
    for (const [key, value] of this.#live)
      if (since === "lose" || value === GONE) this.#live.delete(key);
  }

  /** Applies `edit()` to what another writer stored; throws `MergeConflict`. */
  rebase(edit: Edit, theirs: JsonObject): void {
    const base = this.#base;
    const merged = new Map<string, unknown>();
    for (const [key, mine] of edit) {
      const next = merge(at(base, key), mine, at(theirs, key), key);
      // A value that no other writer changed stays the live value that was returned.
      merged.set(key, same(next, mine) ? this.#live.get(key) : thawed(next));
    }
    this.#base = theirs;
    this.#live = merged;
  }
}

/** A document with an edit made to it. */
export function edited(base: JsonObject, edit: Edit): JsonObject {
  const fields = new Map<string, Json>(Object.entries(base));
  for (const [key, value] of edit) {
    if (value === GONE) fields.delete(key);
    else fields.set(key, value);
  }
  return Object.fromEntries(fields); // Makes own properties, `__proto__` too.
}

function thawed(value: MaybeJson): unknown {
  return value === GONE ? GONE : thaw(value);
}
