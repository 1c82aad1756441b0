/** The state of one turn, in the original's words. */
import type { TurnActivity } from "./activity.ts";
import { parsePath } from "./path.ts";
import { turnPolicy, type TurnOptions } from "./policy.ts";
import type { TurnScope } from "./scope.ts";
import { vaultOf, type StorageLike } from "./vault-of.ts";
import { TurnWork } from "./work.ts";

/** What a turn remembers: of its conversation, of its user, and until it ends. */
export class TurnState {
  readonly #work: TurnWork;

  /** Use `load`, `runTurn` or `useState`. */
  constructor(work: TurnWork) {
    this.#work = work;
  }

  /**
   * Reads the state for a pipeline of your own; call `save` at its end. Nothing is locked in
   * between: `save` merges what others changed meanwhile. Rejects with `CorruptStateError` for a
   * damaged document, `RangeError` for a bad option, and what the storage throws.
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

  /** What the conversation remembers. Without its fields in the activity every use throws. */
  get conversation(): TurnScope {
    return this.#work.conversation;
  }

  /** What the user is remembered for, in every conversation. */
  get user(): TurnScope {
    return this.#work.user;
  }

  /** Forgotten when the turn ends. */
  get temp(): TurnScope {
    return this.#work.temp;
  }

  /**
   * Stores what was changed since it was loaded or last saved. Rejects with
   * `ConcurrentModificationError` when another turn changed the same place, with
   * `StateSerializationError` for what JSON cannot hold, and what the storage throws.
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

  /** Forgets what was set for this turn alone. */
  deleteTempState(): void {
    this.#work.deleteTemp();
  }
}
