/** The state of one turn, with the names of the original. */
import type { TurnActivity } from "./activity.ts";
import { parsePath } from "./path.ts";
import { turnPolicy, type TurnOptions } from "./policy.ts";
import type { TurnScope } from "./scope.ts";
import { vaultOf, type StorageLike } from "./vault-of.ts";
import { TurnWork } from "./work.ts";

/** The state of a turn: of its conversation, of its user, and of the turn itself. */
export class TurnState {
  readonly #work: TurnWork;

  /** Use `load`, `runTurn` or `useState`. */
  constructor(work: TurnWork) {
    this.#work = work;
  }

  /**
   * Reads the state for a custom pipeline, which calls `save` at its end. Nothing is locked in
   * between: `save` merges changes of other turns. Rejects with `CorruptStateError` for a damaged
   * document, `RangeError` for a bad option, and with the errors of the storage.
   */
  static async load(
    storage: StorageLike,
    activity: TurnActivity,
    options?: TurnOptions,
  ): Promise<TurnState> {
    const work = new TurnWork(vaultOf(storage), activity, turnPolicy(options));
    await work.load();
    return new TurnState(work);
  }

  /** The state of the conversation. Throws on use when the activity lacks its fields. */
  get conversation(): TurnScope {
    return this.#work.conversation;
  }

  /** The state of the user, in every conversation. */
  get user(): TurnScope {
    return this.#work.user;
  }

  /** Discarded when the turn ends. */
  get temp(): TurnScope {
    return this.#work.temp;
  }

  /**
   * Stores the changes since the last load or save. Rejects with `ConcurrentModificationError` when
   * another turn changed the same path, with `StateSerializationError` for a value that JSON cannot
   * represent, and with the errors of the storage.
   */
  save(): Promise<void> {
    return this.#work.save();
  }

  /** The value at `key` (of `temp`) or `scope.key`, else `fallback`. Throws `TypeError`. */
  getValue<T = unknown>(path: string, fallback?: T): T | undefined {
    const { scope, key } = parsePath(path);
    return this[scope].get(key, fallback);
  }

  /** Sets the value at a path. */
  setValue(path: string, value: unknown): void {
    const { scope, key } = parsePath(path);
    this[scope].set(key, value);
  }

  /** True when there is a value at a path. */
  hasValue(path: string): boolean {
    const { scope, key } = parsePath(path);
    return this[scope].has(key);
  }

  /** Removes the value at a path. */
  deleteValue(path: string): void {
    const { scope, key } = parsePath(path);
    this[scope].delete(key);
  }

  /** Removes the conversation's document when the turn is saved. */
  deleteConversationState(): void {
    this.#work.delete("conversation");
  }

  /** Removes the user's document when the turn is saved. */
  deleteUserState(): void {
    this.#work.delete("user");
  }

  /** Discards the state of this turn. */
  deleteTempState(): void {
    this.#work.deleteTemp();
  }
}
