/**
 * Documents in a caller's storage, which has the three verbs and nothing else. Mailboxes order the
 * turns of this process; another process can still write in between.
 */
import { equal } from "../../../actors/state/equal.ts";
import type { Json } from "../../../actors/protocol.ts";
import { mailboxAt, locationOf } from "./mailboxes.ts";
import { toJson, GONE } from "./json.ts";
import type { Storage } from "./storage.ts";
import type { Found, Mailbox, Swap, Swapped, SwapTurn, Vault } from "./vault.ts";

/** Documents in a storage of the original's contract. */
export class PlainVault implements Vault {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  locate(key: string): string {
    return `document ${key}`;
  }

  mailbox(key: string): Promise<Mailbox> {
    return Promise.resolve(mailboxAt(locationOf(this.#storage), key));
  }

  async find(keys: readonly string[]): Promise<Found[]> {
    const documents = await this.#storage.read([...keys]);
    return keys.map((key) => {
      const value = Object.hasOwn(documents, key) ? documents[key] : undefined;
      // A copy, since the storage may return its own object.
      const json = toJson(value, "coerce", { path: key, scope: undefined });
      if (json === GONE) return { value: undefined, exists: false, stamp: GONE };
      return { value: json, exists: true, stamp: json };
    });
  }

  async swap(swaps: readonly Swap[], { keptSinceRead }: SwapTurn): Promise<Swapped[]> {
    // What this process read, with its mailboxes kept since, can only have been changed by another
    // process. Another read would not exclude that process.
    if (!keptSinceRead && (await this.#hasChanged(swaps))) return swaps.map(() => null);
    const kept = swaps.flatMap(({ key, next }): [string, Json][] =>
      next === undefined ? [] : [[key, next]],
    );
    const gone = swaps.filter(({ next }) => next === undefined).map(({ key }) => key);
    await Promise.all([this.write(new Map(kept)), this.remove(gone)]);
    return swaps.map(({ next }) =>
      next === undefined
        ? { value: next, exists: false, stamp: GONE }
        : { value: next, exists: true, stamp: next },
    );
  }

  async write(values: ReadonlyMap<string, Json>): Promise<void> {
    if (values.size > 0) await this.#storage.write(Object.fromEntries(values));
  }

  async remove(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#storage.delete([...keys]);
  }

  async #hasChanged(swaps: readonly Swap[]): Promise<boolean> {
    const present = await this.find(swaps.map(({ key }) => key));
    return swaps.some(({ found }, index) => !equal(present[index]?.stamp, found.stamp));
  }
}
