/**
 * Ends the life of scopes whose kind has a `ttlMs`: counted from the last change, on one timer
 * wheel.
 *
 * The store keeps the same time on its own, so a scope also ends while no process is running. Here
 * the end is made visible in memory: state back to the initial one, version + 1, a `delete` event.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { TimerWheel } from "../../actors/idle.ts";
import { expireWork } from "../../actors/solo.ts";
import type { ResidentScope } from "./resident.ts";

/** Watches the time to live of scopes. */
export class Expiry {
  readonly #wheel: TimerWheel;
  readonly #find: (key: string) => ResidentScope | undefined;

  constructor(wheel: TimerWheel, find: (key: string) => ResidentScope | undefined) {
    this.#wheel = wheel;
    this.#find = find;
  }

  /** The scope was changed or loaded: its time starts again, or has `leftMs` to go. */
  watch(scope: ResidentScope, leftMs: number | undefined = scope.kind.ttlMs): void {
    if (leftMs === undefined) return;
    const waiting = scope.expiresAt !== 0;
    scope.expiresAt = scope.exists ? scope.settings.clock.now() + leftMs : 0;
    if (scope.exists && !waiting) this.#wait(scope.key, leftMs);
  }

  /** The wheel keeps the key and not the scope, so that waiting does not keep a scope in memory. */
  #wait(key: string, delayMs: number): void {
    this.#wheel.schedule(delayMs, async () => {
      const scope = this.#find(key);
      if (scope === undefined || scope.expiresAt === 0) return;
      const leftMs = scope.expiresAt - scope.settings.clock.now();
      if (leftMs > 0) return this.#wait(key, leftMs);
      scope.expiresAt = 0;
      await this.#expire(scope);
    });
  }

  async #expire(scope: ResidentScope): Promise<void> {
    try {
      await scope.submit(expireWork(scope, () => scope.expiresAt === 0));
    } catch (error) {
      // Another process wrote it: it lives on, and its time starts again.
      if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) return this.watch(scope);
      if (!isHoldfastError(error, "SCOPE_STOPPED")) throw error;
    }
  }
}
