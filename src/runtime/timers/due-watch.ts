/**
 * Fires the due timers of one kind: takes their hints, claims them, and waits on one timer of the
 * runtime's wheel for the next.
 *
 *     look ──▶ take due hints ──▶ claim them ──▶ fire their scopes
 *      ▲                             └──another process was first──▶ parked
 *      └── the next is due, or the poll time is over, or a timer was set here, or there are more
 *
 * Invariants
 *  D1  Waiting timers cost no work here: one list of the first keys per look.
 *  D2  A due hint is claimed by compare-and-set for the time of a lease before its scope is opened,
 *      so processes share the work. A claim whose process has ended is over by itself. It decides
 *      nothing: F1 of `firing.ts` does.
 *  D3  At most `FIRING_MAX` scopes are fired at the same time.
 *  D4  A claim that ends later than one can was made before the clock was set back: it does not
 *      count.
 */
import { isPlainObject } from "../../../actors/state/copy.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import { nextTurn } from "../../../actors/time/soon.ts";
import type { TimerWheel, WheelHandle } from "../../../actors/time/timer-wheel.ts";
import type { StateStore, StoredRecord } from "../../stores/contract.ts";
import type { ResolvedKind } from "../kinds.ts";
import type { ResidentScope } from "../resident-scope.ts";
import type { Timed, TimerBook } from "./book.ts";
import { DueHints } from "./due-hints.ts";
import { fireScope, type FoundHint } from "./firing.ts";
import { duePrefix, type Hint } from "./timer-keys.ts";

/** Most scopes of a kind that are fired at the same time. */
const FIRING_MAX = 64;
/** Milliseconds until a scope that could not be fired is tried again. */
const RETRY_MS = 5_000;
/** Milliseconds for which a hint without a handler in this program is passed over. */
const UNKNOWN_MS = 60_000;
/** So many times the length of a claim it may end after now: clocks of processes differ. */
const CLAIMS_MAX = 2;

/** A hint with the version of its record. */
interface ClaimedHint extends FoundHint {
  version: number;
}

/** What a watch needs of its runtime. */
export interface WatchPort {
  readonly book: TimerBook;
  readonly wheel: TimerWheel;
  readonly pollMs: number;
  open(type: string, id: string): Promise<ResidentScope & Timed>;
}

/** True when only this process can set timers at a store: then it is asked only when one is due. */
function isOwn({ supports }: StateStore): boolean {
  return supports.shared === false || (!supports.durable && supports.immediate === true);
}

/** Watches of this process, by store object: notified of timers that another runtime has set. */
const watches = new WeakMap<StateStore, Set<DueWatch>>();

/** A timer of a kind was set at its store. */
export function noticeDue(store: StateStore, prefix: string, due: number): void {
  for (const watch of watches.get(store) ?? []) if (watch.prefix === prefix) watch.expect(due);
}

/** See the head of this file. */
export class DueWatch {
  readonly prefix: string;
  readonly #kind: ResolvedKind;
  readonly #port: WatchPort;
  readonly #store: StateStore;
  readonly #hints: DueHints;
  readonly #reported = new Set<string>();
  #firing = 0;
  /** A look is under way, or begins in the next tick. */
  #isLooking = false;
  #isStopped = false;
  #isAway = false;
  #handle: WheelHandle | null = null;

  constructor(kind: ResolvedKind, port: WatchPort) {
    this.#kind = kind;
    this.#port = port;
    this.#store = port.book.batched(kind).store;
    this.prefix = duePrefix(port.book.port.namespace, kind.type);
    this.#hints = new DueHints(this.prefix, this.#store, port.book.port.clock);
    const known = watches.get(this.#store);
    if (known === undefined) watches.set(this.#store, new Set([this]));
    else known.add(this);
    this.#arm();
  }

  /** A hint that is due at `due` was written. */
  expect(due: number): void {
    if (this.#hints.expect(due)) this.#arm();
  }

  /** No timer is fired any more; those that run end in their own time. */
  stop(): void {
    this.#isStopped = true;
    watches.get(this.#store)?.delete(this);
    if (this.#handle !== null) this.#port.wheel.cancel(this.#handle);
  }

  #now(): number {
    return this.#port.book.port.clock.now();
  }

  #arm(): void {
    if (this.#isStopped || this.#isLooking) return;
    const { pollMs, wheel } = this.#port;
    if (this.#handle !== null) wheel.cancel(this.#handle);
    const { hasMore, waitMs } = this.#hints;
    // Several scopes are claimed together: not one as soon as another has ended.
    if (hasMore && this.#firing <= FIRING_MAX / 2) {
      this.#isLooking = true;
      return nextTurn(() => void this.#turn());
    }
    const delayMs = hasMore ? pollMs : Math.max(0, Math.min(pollMs, waitMs));
    this.#handle = wheel.schedule(delayMs, () => this.#turn());
  }

  async #turn(): Promise<void> {
    this.#isLooking = true;
    try {
      const room = FIRING_MAX - this.#firing;
      const isDue = !isOwn(this.#store) || this.#hints.waitMs <= 0;
      if (room > 0 && isDue && !this.#isStopped) await this.#look(room);
      this.#isAway = false;
    } catch (error) {
      this.#hints.breakOff(this.#port.pollMs);
      if (!this.#isAway && !this.#isStopped)
        this.#report("due timers could not be read", { error });
      this.#isAway = true;
    } finally {
      this.#isLooking = false;
      this.#arm();
    }
  }

  async #look(room: number): Promise<void> {
    const hints = await this.#hints.take(room);
    const left = new Set(hints.map(({ key }) => key));
    const byScope = new Map<string, ClaimedHint[]>();
    try {
      for (const hint of await this.#claimed(await this.#found(hints))) {
        left.delete(hint.key);
        const known = byScope.get(hint.id);
        if (known === undefined) byScope.set(hint.id, [hint]);
        else known.push(hint);
      }
    } finally {
      for (const key of left) this.#hints.leave(key);
    }
    for (const [id, group] of byScope) void this.#fire(id, group);
  }

  /** The hints that exist, are not claimed, and have a handler here. */
  async #found(hints: readonly Hint[]): Promise<ClaimedHint[]> {
    const { book } = this.#port;
    const batched = book.batched(this.#kind);
    const records = await Promise.all(hints.map(({ key }) => batched.load(key)));
    const now = this.#now();
    return hints.flatMap((hint, at) => {
      const record = records[at];
      const claim = claimIn(record);
      if (record === undefined || claim === undefined) return [];
      const leftMs = claim.until - now;
      if (leftMs > 0 && leftMs <= CLAIMS_MAX * this.#claimMs)
        this.#hints.park(hint.key, Math.min(leftMs, this.#claimMs));
      else if (this.#handles(claim.name)) return [{ ...hint, ...claim, version: record.version }];
      else this.#hints.park(hint.key, UNKNOWN_MS);
      return [];
    });
  }

  get #claimMs(): number {
    return this.#kind.exclusiveLeaseMs;
  }

  #handles(name: string): boolean {
    if (Object.hasOwn(this.#kind.timers ?? {}, name)) return true;
    if (!this.#reported.has(name)) {
      this.#reported.add(name);
      this.#report("due timers have no handler in this program; they are kept", { name });
    }
    return false;
  }

  /** Claims hints (D2); those of other processes are parked. */
  async #claimed(hints: readonly ClaimedHint[]): Promise<ClaimedHint[]> {
    const until = this.#now() + this.#claimMs;
    const claims = await Promise.all(hints.map((hint) => this.#write(hint, until)));
    return hints.filter((hint, at) => {
      if (claims[at] === true) hint.version += 1;
      else this.#hints.park(hint.key, this.#claimMs);
      return claims[at] === true;
    });
  }

  /** Writes until when a hint is claimed; false when another process was first. */
  async #write({ key, name, made, version }: ClaimedHint, until: number): Promise<boolean> {
    const write = {
      key,
      expectedVersion: version,
      version: version + 1,
      state: { name, made, until },
    };
    return (await this.#port.book.batched(this.#kind).commit(write, write)).ok;
  }

  async #fire(id: string, hints: readonly ClaimedHint[]): Promise<void> {
    const { book } = this.#port;
    this.#firing += 1;
    try {
      const left = await book.port.calls.run(async () => {
        const scope = await this.#port.open(this.#kind.type, id);
        const stay = await fireScope(book, scope, hints, this.#claimMs);
        await Promise.allSettled(stay.map((hint) => this.#write(hint, 0)));
        return stay;
      });
      for (const { key } of hints) this.#hints.leave(key);
      for (const { key } of left) this.#hints.park(key, this.#port.pollMs);
    } catch (error) {
      for (const { key } of hints) this.#hints.park(key, RETRY_MS);
      const isOver =
        isHoldfastError(error, "RUNTIME_CLOSED") || isHoldfastError(error, "SCOPE_STOPPED");
      const isBusy = isHoldfastError(error, "SCOPE_MUTATION_TIMEOUT");
      if (!isOver && !isBusy && !this.#isStopped)
        this.#report("timers could not be fired; they are tried again", { id, error });
    } finally {
      this.#firing -= 1;
      this.#arm();
    }
  }

  #report(message: string, fields: Record<string, unknown>): void {
    this.#port.book.port.logger.error(message, { type: this.#kind.type, ...fields });
  }
}

/** What the record of a hint says; `undefined`: it is gone. */
function claimIn(
  record: StoredRecord | undefined,
): { readonly name: string; readonly made: number; readonly until: number } | undefined {
  const { state } = record ?? {};
  if (!isPlainObject(state)) return undefined;
  const { name, made, until } = state;
  if (typeof name !== "string" || typeof made !== "number") return undefined;
  return { name, made, until: typeof until === "number" ? until : -Infinity };
}
