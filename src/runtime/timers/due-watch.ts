/**
 * Finds the due timers of one kind: asks its store for the first hints, takes those that are due,
 * and waits on one timer of the runtime's wheel for the next.
 *
 *     look ──▶ list the first hints ──▶ claim those that are due ──▶ fire their scopes
 *      ▲                                     └──another process was first──▶ parked
 *      └── the next is due, or the poll time is over, or a timer was set here
 *
 * Invariants
 *  D1  Waiting timers cost no memory here and no work: one list of the first keys per look.
 *  D2  A due hint is claimed by compare-and-set for the time of a lease before its scope is opened,
 *      so processes share the work. A claim whose process has ended is over by itself. It decides
 *      nothing: F1 of `firing.ts` does.
 *  D3  At most `FIRING_MAX` scopes are fired at the same time.
 *  D4  Times of timers are compared with the clock at each look, so a clock that is set forward or
 *      back only makes timers due, or not yet. Waits of this process are monotonic, and a claim
 *      that ends later than one can was made before the clock was set back: it does not count.
 */
import { isPlainObject } from "../../../actors/state/copy.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import { monotonic } from "../../../actors/time/clock.ts";
import type { TimerWheel, WheelHandle } from "../../../actors/time/timer-wheel.ts";
import type { StateStore, StoredRecord } from "../../stores/contract.ts";
import type { ResolvedKind } from "../kinds.ts";
import type { ResidentScope } from "../resident-scope.ts";
import type { Timed, TimerBook } from "./book.ts";
import { fireScope, type FoundHint } from "./firing.ts";
import { duePrefix, type Hint, hintOf } from "./timer-keys.ts";

/** Most scopes of a kind that are fired at the same time. */
const FIRING_MAX = 64;
/** Most hints that are read in one look. */
const LOOK_MAX = 256;
/** Most hints that are passed over for a while; then all are looked at again. */
const PARKED_MAX = 10_000;
/** Milliseconds until a scope that could not be fired is tried again. */
const RETRY_MS = 5_000;
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
  /** When the first hint is due that is not parked, as far as is known. */
  #next = -Infinity;
  /** When a parked hint is looked at again, in monotonic time. */
  #again = Infinity;
  /** Until when a hint is passed over, by its key; in monotonic time. */
  readonly #parked = new Map<string, number>();
  readonly #reported = new Set<string>();
  #firing = 0;
  #isLooking = false;
  #isStopped = false;
  #isAway = false;
  #handle: WheelHandle | null = null;

  constructor(kind: ResolvedKind, port: WatchPort) {
    this.#kind = kind;
    this.#port = port;
    this.#store = port.book.batched(kind).store;
    this.prefix = duePrefix(port.book.port.namespace, kind.type);
    const known = watches.get(this.#store);
    if (known === undefined) watches.set(this.#store, new Set([this]));
    else known.add(this);
    this.#arm();
  }

  /** A hint that is due at `due` was written. */
  expect(due: number): void {
    if (due >= this.#next) return;
    this.#next = due;
    this.#arm();
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

  #monotonic(): number {
    return monotonic(this.#port.book.port.clock);
  }

  #arm(): void {
    if (this.#isStopped || this.#isLooking) return;
    const { pollMs, wheel } = this.#port;
    if (this.#handle !== null) wheel.cancel(this.#handle);
    const isFull = this.#firing >= FIRING_MAX;
    const waitMs = Math.min(this.#next - this.#now(), this.#again - this.#monotonic());
    const delayMs = isFull ? pollMs : Math.max(0, Math.min(pollMs, waitMs));
    this.#handle = wheel.schedule(delayMs, () => this.#turn());
  }

  async #turn(): Promise<void> {
    const isDue = this.#next <= this.#now() || this.#again <= this.#monotonic();
    if (this.#firing >= FIRING_MAX || (isOwn(this.#store) && !isDue)) return this.#arm();
    this.#isLooking = true;
    this.#next = Infinity; // A timer that is set from here on lowers it.
    this.#again = Infinity;
    try {
      await this.#look();
      this.#isAway = false;
    } catch (error) {
      this.#lookAgain(this.#monotonic() + this.#port.pollMs);
      if (!this.#isAway && !this.#isStopped)
        this.#report("due timers could not be read", { error });
      this.#isAway = true;
    } finally {
      this.#isLooking = false;
      this.#arm();
    }
  }

  async #look(): Promise<void> {
    const hints = await this.#found(await this.#due());
    const claimed = await this.#claimed(hints);
    const byScope = new Map<string, ClaimedHint[]>();
    for (const hint of claimed) {
      const known = byScope.get(hint.id);
      if (known === undefined) byScope.set(hint.id, [hint]);
      else known.push(hint);
    }
    for (const [id, group] of byScope) void this.#fire(id, group);
  }

  /** The due hints that are not parked. */
  async #due(): Promise<Hint[]> {
    const now = this.#now();
    const tried = this.#monotonic();
    if (this.#parked.size > PARKED_MAX) this.#parked.clear();
    const parked = this.#parked;
    const due: Hint[] = [];
    const scopes = new Set<string>();
    const limit = LOOK_MAX + parked.size;
    for await (const key of this.#store.list({ prefix: this.prefix, limit })) {
      const hint = hintOf(this.prefix, key);
      if (hint === undefined) continue;
      if (hint.due > now) {
        this.#expectLater(hint.due);
        break;
      }
      const until = parked.get(key) ?? -Infinity;
      if (until > tried) {
        this.#lookAgain(until);
        continue;
      }
      parked.delete(key);
      due.push(hint);
      scopes.add(hint.id);
      if (due.length < LOOK_MAX && scopes.size + this.#firing < FIRING_MAX) continue;
      this.#expectLater(now); // There may be more.
      break;
    }
    return due;
  }

  #expectLater(due: number): void {
    this.#next = Math.min(this.#next, due);
  }

  #lookAgain(at: number): void {
    this.#again = Math.min(this.#again, at);
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
        this.#park(hint.key, Math.min(leftMs, this.#claimMs));
      else if (this.#handles(claim.name)) return [{ ...hint, ...claim, version: record.version }];
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
      else this.#park(hint.key, this.#claimMs);
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

  #park(key: string, waitMs: number): void {
    const until = this.#monotonic() + waitMs;
    this.#parked.set(key, until);
    this.#lookAgain(until);
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
      for (const { key } of left) this.#park(key, this.#port.pollMs);
    } catch (error) {
      for (const { key } of hints) this.#park(key, RETRY_MS);
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
