/** The scopes of a turn, for handlers. */
import type { Working } from "./working.ts";

/** One scope of a turn. Every member throws `StateSealedError` when the turn has ended. */
export class TurnScope {
  readonly #open: () => Working;

  /** `open` returns the working copy, or throws the reason why there is none. */
  constructor(open: () => Working) {
    this.#open = open;
  }

  /** The live value of a key, else `fallback`. A change of the value in place is saved too. */
  get<T = unknown>(key: string, fallback?: T): T | undefined {
    const value = this.#open().get(checked(key));
    // The caller knows the type of a key's value, as in the original.
    return value === undefined ? fallback : (value as T);
  }

  /** Sets a key. `undefined` exists until the turn ends and is not stored. */
  set(key: string, value: unknown): void {
    this.#open().set(checked(key), value);
  }

  /** True when the key exists; an inherited name is not a key. */
  has(key: string): boolean {
    return this.#open().has(checked(key));
  }

  /** Removes a key; does nothing when it does not exist. */
  delete(key: string): void {
    this.#open().delete(checked(key));
  }

  /** Removes every key; the stored document becomes empty. */
  clear(): void {
    this.#open().clear();
  }
}

function checked(key: unknown): string {
  if (typeof key === "string") return key;
  throw new TypeError(`a key of a scope must be a text, received ${typeof key}`);
}
