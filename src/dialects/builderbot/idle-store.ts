/**
 * The stored idle deadlines of users, one record for each. A timer on that record reports those
 * that no process has called back: after a restart, without an `open`, in any process.
 *
 * Invariants
 *  D1  If the first bot of a runtime has an `onIdle`, each record with deadlines has one timer. It
 *      is due `GRACE_MS` after the first deadline, or earlier.
 *  D2  A deadline is removed after it was called back or reported, with the next timer. If the
 *      process ends before, it is reported again: at least once.
 *  D3  While its process lives it is called back there only: the timer is later. A bot reports no
 *      deadline that it has called back or stopped, also while the store cannot be reached.
 */
import { outsideTurns } from "../../../actors/scope/reentrancy.ts";
import type { Clock, MutationContext } from "../../../actors/protocol.ts";
import { asCall } from "../../runtime/calls.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { HeldScope, Scope } from "../../runtime/scope-types.ts";
import type { BotHome } from "./options.ts";

/** Deadlines of a user by their keys; `at` in milliseconds since the epoch. */
export type Deadlines = Record<string, { readonly inRef: unknown; readonly at: number }>;

/** The waits in memory to which stored deadlines belong. */
export interface IdleWaits {
  /** Calls back a wait that is pending; false when there is none of that key. */
  readonly callBack: (from: string, key: string) => boolean;
  /** Reports a deadline of a process that has ended; absent: nothing is reported. */
  readonly report: ((from: string, inRef: unknown) => void) | undefined;
}

/** Milliseconds after a deadline that its own process has to call back. */
const GRACE_MS = 2_000;
/** Milliseconds after which a timer that found no bot in its runtime is due again. */
const UNOWNED_MS = 60_000;
/** The furthest time of a timer. */
const LATEST_MS = 8_640_000_000_000_000;
/** Most users whose next timer is known; one that is not known is set again. */
const KNOWN_MAX = 10_000;
/** The handler of the timer, and its key. */
const IDLE = "idle";
const TYPE = "builderbot.idle";
const ID_PREFIX = "user:";

/** What the bots of one runtime share. */
class Hub {
  readonly stores = new Set<IdleStore>();
  readonly kind: Kind<Deadlines>;
  readonly isTimed: boolean;
  readonly #clock: Clock;
  /** When the timer of a user is due, as far as is known. */
  readonly #due = new Map<string, number>();

  constructor(clock: Clock, isTimed: boolean) {
    this.#clock = clock;
    this.isTimed = isTimed;
    this.kind = defineKind<Deadlines>(
      isTimed ? { timers: { [IDLE]: (held) => this.#fire(held) } } : {},
    );
  }

  /** Sets the timer of the first deadline of a record, unless one is known to be set (D1). */
  setTimer(from: string, deadlines: Deadlines, { schedule }: MutationContext): void {
    const first = Math.min(...Object.values(deadlines).map(({ at }) => at)) + GRACE_MS;
    const known = this.#due.get(from);
    if (!this.isTimed || first === Infinity) return;
    if (known !== undefined && known > this.#clock.now() && known <= first) return;
    const at = new Date(Math.min(first, LATEST_MS));
    schedule(IDLE, { at }, undefined, { key: IDLE });
    if (this.#due.size >= KNOWN_MAX) this.#due.clear();
    this.#due.set(from, first);
  }

  /** A timer may not have been stored. */
  forget(from: string): void {
    this.#due.delete(from);
  }

  async #fire(held: HeldScope<Deadlines>): Promise<void> {
    const stores = [...this.stores];
    if (!stores.some(({ reports }) => reports))
      return void (await held.schedule(IDLE, { afterMs: UNOWNED_MS }, undefined, { key: IDLE }));
    const from = held.identity.id.slice(ID_PREFIX.length);
    const end = this.#clock.now() - GRACE_MS;
    const due = Object.entries(await held.read())
      .filter(([, { at }]) => at <= end)
      .toSorted(([, one], [, other]) => one.at - other.at);
    outsideTurns(() => {
      for (const [key, { inRef }] of due)
        if (!stores.some((store) => store.callsBack(from, key)))
          for (const store of stores) store.report(from, key, inRef);
    });
    await held.update((draft, context) => {
      for (const [key] of due) Reflect.deleteProperty(draft, key);
      this.setTimer(from, draft, context);
    });
    for (const [key] of due) for (const store of stores) store.removed(key);
  }
}

const hubs = new WeakMap<Runtime, Hub>();

/** See the head of this file. */
export class IdleStore {
  readonly #home: BotHome;
  readonly #waits: IdleWaits;
  readonly #hub: Hub;
  readonly #opening = new Map<string, Promise<Scope<Deadlines>>>();
  readonly #storing = new Set<Promise<void>>();
  /** The keys of deadlines that are over here, and may still be in the record. */
  readonly #over = new Set<string>();

  /** The kind of the records is declared on the runtime. */
  constructor(home: BotHome, waits: IdleWaits) {
    const { clock, runtime } = home;
    this.#home = home;
    this.#waits = waits;
    const isTimed = this.reports && runtime.supports("builderbot.user").list;
    this.#hub = hubs.get(runtime) ?? new Hub(clock, isTimed);
    hubs.set(runtime, this.#hub);
    this.#hub.stores.add(this);
    runtime.declare(TYPE, this.#hub.kind);
  }

  /** Whether deadlines are reported here. */
  get reports(): boolean {
    return this.#waits.report !== undefined;
  }

  /** Stores a deadline. */
  put(from: string, key: string, deadline: Deadlines[string]): void {
    void this.#change(from, (deadlines, context) => {
      deadlines[key] = deadline;
      this.#hub.setTimer(from, deadlines, context);
    });
  }

  /** Removes deadlines that were called back. */
  remove(from: string, keys: readonly string[]): void {
    this.#end(from, keys, (deadlines) => {
      for (const key of keys) Reflect.deleteProperty(deadlines, key);
    });
  }

  /** Removes the deadlines of a user that was active, also those that are not known here. */
  clear(from: string, keys: readonly string[]): void {
    // Without reports they wait for `open`.
    if (!this.#hub.isTimed) return keys.length === 0 ? undefined : this.remove(from, keys);
    this.#end(from, keys, (deadlines) => {
      for (const key of Object.keys(deadlines)) Reflect.deleteProperty(deadlines, key);
    });
  }

  /** The deadlines of a user that are not over. */
  async read(from: string): Promise<[key: string, deadline: Deadlines[string]][]> {
    const state = await asCall(this.#home.runtime, async () => {
      const opened = await this.#scope(from);
      return opened.read(); // Another process may have stored deadlines.
    });
    return Object.entries(state).filter(([key]) => !this.#over.has(key));
  }

  /** Resolves when all deadlines are stored; nothing is reported from now on. */
  async close(): Promise<void> {
    this.#hub.stores.delete(this);
    await Promise.all(this.#storing);
  }

  /** Calls a deadline back, if it was armed here; true also when that was done before. */
  callsBack(from: string, key: string): boolean {
    if (this.#over.has(key)) return true;
    const isPending = this.#waits.callBack(from, key);
    if (isPending) this.#over.add(key);
    return isPending;
  }

  /** Reports a deadline of a process that has ended. */
  report(from: string, key: string, inRef: unknown): void {
    this.#over.add(key);
    this.#waits.report?.(from, inRef);
  }

  /** A deadline is no longer in the record. */
  removed(key: string): void {
    this.#over.delete(key);
  }

  #end(from: string, keys: readonly string[], change: (deadlines: Deadlines) => void): void {
    for (const key of keys) this.#over.add(key);
    void this.#change(from, change).then((isStored) => {
      if (isStored) for (const key of keys) this.#over.delete(key);
    });
  }

  /** Resolves to whether a change was stored; a failure is logged. */
  #change(
    from: string,
    change: (deadlines: Deadlines, context: MutationContext) => void,
  ): Promise<boolean> {
    const { logger, runtime } = this.#home;
    const recipe = (draft: Deadlines, context: MutationContext): void => change(draft, context);
    const stored = asCall(runtime, async () => (await this.#scope(from)).update(recipe)).then(
      () => true,
      (error: unknown) => {
        this.#hub.forget(from);
        logger.error("an idle deadline was not stored", { error });
        return false;
      },
    );
    const settled = stored.then(() => void this.#storing.delete(settled));
    this.#storing.add(settled);
    return stored;
  }

  /** Calls made while a scope is loaded wait for that load, so they keep their order. */
  #scope(from: string): Promise<Scope<Deadlines>> {
    const known = this.#opening.get(from);
    if (known !== undefined) return known;
    const loading = this.#home.runtime.open<Deadlines>(TYPE, ID_PREFIX + from);
    const opened = loading.finally(() => this.#opening.delete(from));
    this.#opening.set(from, opened);
    return opened;
  }
}
