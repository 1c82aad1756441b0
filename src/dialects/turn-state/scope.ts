/** The scopes of a turn as handlers see them. */
import type { Working } from "./working.ts";

/** One scope of a turn. Every member throws `StateSealedError` when the turn has ended. */
export class TurnScope {
  readonly #open: () => Working;

  /** `open` gives the working copy, or throws why there is none. */
  constructor(open: () => Working) {
    this.#open = open;
  }

  /** The live value of a key, else `fallback`; changing the value in place counts. */
  get<T = unknown>(key: string, fallback?: T): T | undefined {
    const value = this.#open().get(checked(key));
    // What a key holds is the caller's knowledge, as in the original.
    return value === undefined ? fallback : (value as T);
  }

  /** Sets a key; `undefined` is there until the turn ends and is not stored. */
  set(key: string, value: unknown): void {
    this.#open().set(checked(key), value);
  }

  /** True when the key is there; inherited names never are. */
  has(key: string): boolean {
    return this.#open().has(checked(key));
  }

  /** Removes a key; nothing happens when it is not there. */
  delete(key: string): void {
    this.#open().delete(checked(key));
  }

  /** Removes every key; what was stored becomes an empty document. */
  clear(): void {
    this.#open().clear();
  }
}

function checked(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`a key of a scope must be a text, received ${typeof key}`);
}
