/**
 * Expires scopes whose kind sets a time: `ttlMs` after the last change, or the time that their
 * state returns; on one timer wheel.
 *
 * The store keeps the same time on its own, so a scope also expires while no process is running.
 * Here the expiry becomes visible in memory: the initial state, version + 1, a `delete` event.
 * That is for listeners. Code that reads a state or builds on it checks the time itself
 * (`overdue`), so that nothing depends on a punctual timer.
 * The wheel keeps keys and not scopes, so that waiting does not keep a scope in memory.
 *
 * Invariants
 *  L1  At most one callback waits per key, and none once its scope is out of memory.
 *  L2  A scope expires only when its time since the last change, of any process, is over.
 *  L3  A failed expiry is tried again with growing waits; while a store is unavailable, that is
 *      logged once.
 *  L4  A state is checked only when its kind has a `livesUntil`.
 */
import type { TimerWheel, WheelHandle } from "../../actors/time/timer-wheel.ts";
import type { StateStore } from "../stores/contract.ts";
import { endOf, FOR_EVER } from "./life.ts";
import type { ResidentScope } from "./resident-scope.ts";

/** Milliseconds until a failed expiry is tried again; doubled each time. */
const RETRY_MS = 1_000;
/** The longest wait between two tries. */
const RETRY_MAX_MS = 60_000;

/** The expiry of the scopes of one runtime. */
export class Expiry {
  readonly #wheel: TimerWheel;
  readonly #find: (key: string) => ResidentScope | undefined;
  readonly #waiting = new Map<string, WheelHandle>();
  /** The last wait of each failed expiry, by key. */
  readonly #retries = new Map<string, number>();
  /** Stores with a failed expiry and no successful one since. */
  readonly #away = new Set<StateStore>();

  constructor(wheel: TimerWheel, find: (key: string) => ResidentScope | undefined) {
    this.#wheel = wheel;
    this.#find = find;
  }

  /** The scope was changed here: its time starts again. */
  changed(scope: ResidentScope): void {
    const { ttlMs = Infinity, livesUntil } = scope.kind;
    if (!scope.exists) this.#expireAt(scope, Infinity);
    else if (livesUntil !== undefined)
      this.#expireAt(scope, endOf(livesUntil, scope.draft.expose()));
    else this.#expireAt(scope, scope.settings.clock.now() + ttlMs);
  }

  /**
   * The scope was read: it expires at `until`, or after its time as after a change. Reading a known
   * version does not extend its time.
   */
  read(scope: ResidentScope, until: number | undefined): void {
    if (until === undefined || !scope.exists) return this.changed(scope);
    const { life, version } = scope;
    this.#expireAt(scope, Math.min(life.version === version ? life.until : Infinity, until));
  }

  /** The scope is out of memory: only its store expires it now. */
  forget(key: string): void {
    this.#retries.delete(key);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#wheel.cancel(waiting);
    this.#waiting.delete(key);
  }

  #expireAt(scope: ResidentScope, until: number): void {
    const { key, kind, life: before, settings, version } = scope;
    if (until === Infinity && before === FOR_EVER && kind.livesUntil === undefined) return;
    scope.life = { version, until };
    this.#retries.delete(key);
    if (until === Infinity) return;
    // A waiting callback checks the time again, so it may be early.
    if (until < before.until || !this.#waiting.has(key))
      this.#wait(key, until - settings.clock.now());
  }

  #wait(key: string, delayMs: number): void {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) this.#wheel.cancel(waiting);
    this.#waiting.set(
      key,
      this.#wheel.schedule(delayMs, () => this.#look(key)),
    );
  }

  async #look(key: string): Promise<void> {
    this.#waiting.delete(key);
    const scope = this.#find(key);
    if (scope === undefined || scope.life.until === Infinity) return;
    const leftMs = scope.life.until - scope.settings.clock.now();
    if (leftMs > 0) return this.#wait(key, leftMs);
    try {
      await scope.expire();
      if (scope.kind.durability === "commit") this.#away.delete(scope.kind.store);
    } catch (error) {
      if (!scope.stopped) this.#tryAgain(scope, error); // Else only its store expires it.
    }
  }

  #tryAgain({ key, kind, identity, settings }: ResidentScope, error: unknown): void {
    const waitMs = Math.min((this.#retries.get(key) ?? RETRY_MS / 2) * 2, RETRY_MAX_MS);
    this.#retries.set(key, waitMs);
    if (!this.#waiting.has(key)) this.#wait(key, waitMs);
    if (this.#away.has(kind.store)) return;
    this.#away.add(kind.store);
    const message = "a scope whose time is over could not be ended in its store; it is tried again";
    settings.logger.error(message, { scope: identity, store: kind.store.name, error });
  }
}
