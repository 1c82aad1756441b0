/**
 * Ends the life of scopes whose kind says when: `ttlMs` after the last change, or at the time their
 * state says; on one timer wheel.
 *
 * The store keeps the same time on its own, so a scope also ends while no process is running. Here
 * the end is made visible in memory: state back to the initial one, version + 1, a `delete` event.
 * The wheel keeps keys and not scopes, so that waiting does not keep a scope in memory.
 *
 * Invariants
 *  L1  At most one callback waits per key, and none once its scope has left memory.
 *  L2  A scope is ended only when its time is over by its last change, by whomever.
 *  L3  A scope that could not be ended is tried again.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { TimerWheel, WheelHandle } from "../../actors/idle.ts";
import { expireWork } from "../../actors/solo.ts";
import { leftToLive } from "./kinds.ts";
import type { ResidentScope } from "./resident.ts";

/** Milliseconds until a scope that could not be ended is tried again. */
const RETRY_MS = 1_000;

/** Watches the time to live of scopes. */
export class Expiry {
  readonly #wheel: TimerWheel;
  readonly #find: (key: string) => ResidentScope | undefined;
  readonly #waiting = new Map<string, WheelHandle>();

  constructor(wheel: TimerWheel, find: (key: string) => ResidentScope | undefined) {
    this.#wheel = wheel;
    this.#find = find;
  }

  /** The scope was changed here: its time starts again. */
  changed(scope: ResidentScope): void {
    const { key, kind, settings, expiresAt: before } = scope;
    const now = settings.clock.now();
    const ttlMs = scope.exists ? leftToLive(kind, scope.state, now) : undefined;
    scope.expiresAt = ttlMs === undefined ? Infinity : now + ttlMs;
    if (ttlMs === undefined) return;
    // A callback that waits already looks again when it comes too early.
    if (scope.expiresAt < before || !this.#waiting.has(key)) this.#wait(key, ttlMs);
  }

  /** The scope was read: it has `leftMs` to go, or as long as after a change. */
  read(scope: ResidentScope, leftMs: number | undefined): void {
    if (scope.kind.livesUntil !== undefined) return this.changed(scope);
    const ownMs = scope.exists ? (leftMs ?? scope.kind.ttlMs) : undefined;
    if (ownMs === undefined) {
      scope.expiresAt = Infinity;
      return;
    }
    scope.expiresAt = scope.settings.clock.now() + ownMs;
    this.#wait(scope.key, ownMs);
  }

  /** The scope has left memory: from here on its store keeps the time alone. */
  forget(key: string): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#wheel.cancel(waiting);
    this.#waiting.delete(key);
  }

  #wait(key: string, delayMs: number): void {
    this.forget(key);
    this.#waiting.set(
      key,
      this.#wheel.schedule(delayMs, () => this.#look(key)),
    );
  }

  async #look(key: string): Promise<void> {
    this.#waiting.delete(key);
    const scope = this.#find(key);
    if (scope === undefined || scope.expiresAt === Infinity) return;
    const { clock } = scope.settings;
    const leftMs = scope.expiresAt - clock.now();
    if (leftMs > 0) return this.#wait(key, leftMs);
    try {
      await scope.submit(expireWork(scope, () => scope.expiresAt <= clock.now()));
    } catch (error) {
      // Another process wrote it: it lives on, for as long as was read with the conflict.
      if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) return;
      if (scope.stopped) return; // Its store ends it, whether or not this write came through.
      if (!this.#waiting.has(key)) this.#wait(key, RETRY_MS);
      throw error;
    }
  }
}
