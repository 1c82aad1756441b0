/**
 * Ends the life of scopes whose kind says when: `ttlMs` after the last change, or at the time their
 * state says, on one timer wheel.
 *
 * The store keeps the same time on its own, so a scope also ends while no process is running. Here
 * the end is made visible in memory: state back to the initial one, version + 1, a `delete` event.
 *
 * Invariants
 *  E1  A scope waits at most once. An end put off finds out when the wait is over and waits on; an
 *      end brought forward waits anew.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { TimerWheel } from "../../actors/idle.ts";
import { expireWork } from "../../actors/solo.ts";
import { leftToLive } from "./kinds.ts";
import type { ResidentScope } from "./resident.ts";

/** Watches the time to live of scopes. */
export class Expiry {
  readonly #wheel: TimerWheel;
  readonly #find: (key: string) => ResidentScope | undefined;

  constructor(wheel: TimerWheel, find: (key: string) => ResidentScope | undefined) {
    this.#wheel = wheel;
    this.#find = find;
  }

  /** The scope was changed or loaded: its time starts again, or has `storedMs` to go. */
  watch(scope: ResidentScope, storedMs?: number): void {
    const { kind, settings } = scope;
    if (kind.ttlMs === undefined && kind.livesUntil === undefined) return;
    const now = settings.clock.now();
    const ofKind = leftToLive(kind, scope.state, now);
    const leftMs = kind.livesUntil === undefined ? (storedMs ?? ofKind) : ofKind;
    const before = scope.expiresAt;
    scope.expiresAt = scope.exists && leftMs !== undefined ? now + leftMs : 0;
    if (scope.expiresAt === 0 || leftMs === undefined) return;
    const waiting = scope.expiry?.waiting === true && before !== 0;
    if (waiting && before <= scope.expiresAt) return;
    if (scope.expiry !== null) this.#wheel.cancel(scope.expiry);
    this.#wait(scope, leftMs);
  }

  /** The wheel keeps the key and not the scope, so that waiting does not keep a scope in memory. */
  #wait(scope: ResidentScope, delayMs: number): void {
    const { key } = scope;
    const handle = this.#wheel.schedule(delayMs, async () => {
      const found = this.#find(key);
      if (found === undefined || found.expiresAt === 0 || found.expiry !== handle) return;
      const leftMs = found.expiresAt - found.settings.clock.now();
      if (leftMs > 0) return this.#wait(found, leftMs);
      found.expiresAt = 0;
      await this.#expire(found);
    });
    scope.expiry = handle;
  }

  async #expire(scope: ResidentScope): Promise<void> {
    try {
      await scope.submit(expireWork(scope, () => isDue(scope)));
    } catch (error) {
      // Another process wrote it: it lives on, and its time starts again.
      if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) return this.watch(scope);
      if (!isHoldfastError(error, "SCOPE_STOPPED")) throw error;
    }
  }
}

/** Asked again in the scope's own turn: what was changed meanwhile may live on. */
function isDue({ kind, state, expiresAt, settings }: ResidentScope): boolean {
  if (kind.livesUntil === undefined) return expiresAt === 0;
  return kind.livesUntil(state) <= settings.clock.now();
}
