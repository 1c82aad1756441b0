/** Documents in a Map. */
import type { Json } from "../../../actors/protocol.ts";
import { mailboxAt, locationOf } from "./mailboxes.ts";
import type { Found, Mailbox, Swap, Swapped, Vault } from "./vault.ts";

const NONE: Found = { value: undefined, exists: false, stamp: undefined };

/** Keeps documents as long as this object exists. The given values are copies already. */
export class MemoryVault implements Vault {
  readonly #documents = new Map<string, Found>();

  locate(key: string): string {
    return `memory document ${key}`;
  }

  mailbox(key: string): Promise<Mailbox> {
    return Promise.resolve(mailboxAt(locationOf(this), key));
  }

  find(keys: readonly string[]): Promise<Found[]> {
    return Promise.resolve(keys.map((key) => this.#at(key)));
  }

  swap(swaps: readonly Swap[]): Promise<Swapped[]> {
    const isStale = swaps.some(({ key, found }) => this.#at(key).stamp !== found.stamp);
    if (isStale) return Promise.resolve(swaps.map(() => null));
    return Promise.resolve(swaps.map(({ key, next }) => this.#put(key, next)));
  }

  write(values: ReadonlyMap<string, Json>): Promise<void> {
    for (const [key, value] of values) this.#put(key, value);
    return Promise.resolve();
  }

  remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#documents.delete(key);
    return Promise.resolve();
  }

  #at(key: string): Found {
    return this.#documents.get(key) ?? NONE;
  }

  #put(key: string, value: Json | undefined): Found {
    if (value === undefined) {
      this.#documents.delete(key);
      return NONE;
    }
    const found = { value, exists: true, stamp: Symbol("document") };
    this.#documents.set(key, found);
    return found;
  }
}
