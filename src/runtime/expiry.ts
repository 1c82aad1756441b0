/**
 * Ends the life of scopes whose kind says when: `ttlMs` after the last change, or at the time their
 * state says; on one timer wheel.
 *
 * The store keeps the same time on its own, so a scope also ends while no process is running. Here
 * the end is made visible in memory: state back to the initial one, version + 1, a `delete` event.
 * That is for listeners: code that reads a state or builds on it looks at the time itself
 * (`overdue`), so that nothing depends on a timer that runs in time.
 * The wheel keeps keys and not scopes, so that waiting does not keep a scope in memory.
 *
 * Invariants
 *  L1  At most one callback waits per key, and none once its scope has left memory.
 *  L2  A scope is ended only when its time is over by its last change, by whomever.
 *  L3  A scope that could not be ended is tried again, ever more slowly; while a store is away,
 *      that is logged once.
 *  L4  A state is looked at only when its kind has a `livesUntil`.
 */
import type { TimerWheel, WheelHandle } from "../../actors/time/timer-wheel.ts";
import type { StateStore } from "../stores/contract.ts";
import { endOf, FOR_EVER } from "./kinds.ts";
import type { ResidentScope } from "./resident-scope.ts";

/** Milliseconds until a scope that could not be ended is tried again; doubled each time. */
const RETRY_MS = 1_000;
/** The longest wait between two tries. */
const RETRY_MAX_MS = 60_000;

/** Watches the time to live of scopes. */
export class Expiry {
  readonly #wheel: TimerWheel;
  readonly #find: (key: string) => ResidentScope | undefined;
  readonly #waiting = new Map<string, WheelHandle>();
  /** How long what could not be ended waited for its last try. */
  readonly #retries = new Map<string, number>();
  /** Stores in which something could not be ended, and nothing since. */
  readonly #away = new Set<StateStore>();

  constructor(wheel: TimerWheel, find: (key: string) => ResidentScope | undefined) {
    this.#wheel = wheel;
    this.#find = find;
  }

  /** The scope was changed here: its time starts again. */
  changed(scope: ResidentScope): void {
    const { ttlMs = Infinity, livesUntil } = scope.kind;
    if (!scope.exists) this.#lives(scope, Infinity);
    else if (livesUntil !== undefined) this.#lives(scope, endOf(livesUntil, scope.draft.expose()));
    else this.#lives(scope, scope.settings.clock.now() + ttlMs);
  }

  /**
   * The scope was read: it lives `until` then, or as long as after a change. A version that was
   * known before gets no longer life by it.
   */
  read(scope: ResidentScope, until: number | undefined): void {
    if (until === undefined || !scope.exists) return this.changed(scope);
    const { life, version } = scope;
    this.#lives(scope, Math.min(life.version === version ? life.until : Infinity, until));
  }

  /** The scope has left memory: from here on its store keeps the time alone. */
  forget(key: string): void {
    this.#retries.delete(key);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#wheel.cancel(waiting);
    this.#waiting.delete(key);
  }

  #lives(scope: ResidentScope, until: number): void {
    const { key, kind, life: before, settings, version } = scope;
    if (until === Infinity && before === FOR_EVER && kind.livesUntil === undefined) return;
    scope.life = { version, until };
    this.#retries.delete(key);
    if (until === Infinity) return;
    // A callback that waits already looks again when it comes too early.
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
      if (!scope.stopped) this.#tryAgain(scope, error); // Else its store ends it alone.
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
