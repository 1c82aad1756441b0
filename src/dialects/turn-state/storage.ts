/**
 * Storages: the three verbs of the original, and the storages of this library, which can do more.
 */
import { StateSerializationError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";
import { GONE, thaw, toJson } from "./json.ts";
import type { Vault } from "./vault.ts";

/** A storage of documents. A custom storage implements these three methods. */
export interface Storage {
  /** The documents that exist, by their keys; missing ones are omitted. */
  read(keys: string[]): Promise<Record<string, unknown>>;
  /** Replaces whole documents. */
  write(changes: Record<string, unknown>): Promise<void>;
  /** Removes documents; a missing one is not an error. */
  delete(keys: string[]): Promise<void>;
}

const vaults = new WeakMap<object, Vault>();

/** A storage over a vault. Turns on it compare before they write. */
export class VaultStorage implements Storage {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
    vaults.set(this, vault);
  }

  /** Returns copies. Rejects with `CorruptStateError` when a document cannot be read. */
  async read(keys: readonly string[]): Promise<Record<string, unknown>> {
    const distinct = [...new Set(keys.map(checkedKey))];
    const found = await this.#vault.find(distinct, null);
    const documents = distinct.flatMap((key, index): [string, unknown][] => {
      const { value, corrupt } = found[index] ?? {};
      if (corrupt !== undefined) throw corrupt;
      return value === undefined ? [] : [[key, thaw(value)]];
    });
    return Object.fromEntries(documents); // Makes own properties, `__proto__` too.
  }

  /** Rejects with `StateSerializationError`, before any write, for a value that is not JSON. */
  async write(changes: Readonly<Record<string, unknown>>): Promise<void> {
    const values = new Map<string, Json>();
    for (const [key, value] of Object.entries(changes)) {
      const json = toJson(value, "strict", { path: key, scope: undefined });
      if (json === GONE) throw new StateSerializationError({ path: key, reason: "undefined" });
      values.set(key, json);
    }
    if (values.size > 0) await this.#vault.write(values);
  }

  async delete(keys: readonly string[]): Promise<void> {
    const distinct = [...new Set(keys.map(checkedKey))];
    if (distinct.length > 0) await this.#vault.remove(distinct);
  }
}

/** The vault of a storage of this library. */
export function knownVault(storage: object): Vault | undefined {
  return vaults.get(storage);
}

/** Remembers the vault of an object that is not a storage of this library. */
export function keepVault(owner: object, vault: Vault): Vault {
  vaults.set(owner, vault);
  return vault;
}

function checkedKey(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`a storage key must be a text, received ${typeof key}`);
}
