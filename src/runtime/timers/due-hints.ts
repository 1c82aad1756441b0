/**
 * The due hints of one kind, in the order of their times. They are read in rounds, page by page,
 * and handed out once in each.
 *
 *     round ──▶ page ──▶ page ──▶ first hint that is not due
 *       ▲                                    │
 *       └── that is due, or a parked one is free, or a watch looks
 *
 * Invariants
 *  H1  Waiting timers cost no memory here: one page at most is kept, and what is passed over.
 *  H2  A hint that is under way, or parked, is passed over. None can hide those behind it: a round
 *      goes on after the last one that it has read.
 *  H3  Times of timers are compared with the clock at each page; parked hints wait in monotonic
 *      time. So a clock that is set forward or back only makes timers due, or not yet.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import type { Clock } from "../../../actors/protocol.ts";
import type { StateStore } from "../../stores/contract.ts";
import { type Hint, hintOf } from "./timer-keys.ts";

/** Most hints of a page. */
const PAGE_MAX = 1_024;
/** Most hints that are parked; one more is looked at again in the next round. */
const PARKED_MAX = 50_000;

/** See the head of this file. */
export class DueHints {
  readonly prefix: string;
  readonly #store: StateStore;
  readonly #clock: Clock;
  /** Those of the page that were not handed out. */
  #page: Hint[] = [];
  /** The last key of the round that was read; `null`: the next read begins a round. */
  #after: string | null = null;
  /** When the first hint is due that is not parked, as far as is known. */
  #next = -Infinity;
  /** When a parked hint is looked at again, in monotonic time. */
  #again = Infinity;
  readonly #parked = new Map<string, number>();
  readonly #underWay = new Set<string>();

  constructor(prefix: string, store: StateStore, clock: Clock) {
    this.prefix = prefix;
    this.#store = store;
    this.#clock = clock;
  }

  /** True when a round is not over. */
  get hasMore(): boolean {
    return this.#page.length > 0 || this.#after !== null;
  }

  /** Milliseconds until there may be a due hint, other than those of other processes. */
  get waitMs(): number {
    if (this.hasMore) return 0;
    return Math.min(this.#next - this.#clock.now(), this.#again - monotonic(this.#clock));
  }

  /** A hint that is due at `due` was written; false when an earlier one is known. */
  expect(due: number): boolean {
    if (due >= this.#next) return false;
    this.#next = due;
    return true;
  }

  /** The next due hints, of at most `count` scopes; each is under way until `leave` or `park`. */
  async take(count: number): Promise<Hint[]> {
    if (this.#page.length === 0) await this.#read();
    const scopes = new Set<string>();
    const end = this.#page.findIndex(({ id }) => scopes.add(id).size > count);
    const taken = this.#page.splice(0, end === -1 ? this.#page.length : end);
    for (const { key } of taken) this.#underWay.add(key);
    return taken;
  }

  /** A hint is over, or is looked at again in the next round. */
  leave(key: string): void {
    this.#underWay.delete(key);
  }

  /** The store could not be asked: begins a round after so many milliseconds, or before. */
  breakOff(waitMs: number): void {
    this.#page = [];
    this.#after = null;
    this.#lookAgain(waitMs);
  }

  /** Passes a hint over for a while. */
  park(key: string, waitMs: number): void {
    this.#underWay.delete(key);
    if (this.#parked.size < PARKED_MAX) this.#parked.set(key, monotonic(this.#clock) + waitMs);
    this.#lookAgain(waitMs);
  }

  #lookAgain(waitMs: number): void {
    this.#again = Math.min(this.#again, monotonic(this.#clock) + waitMs);
  }

  async #read(): Promise<void> {
    if (this.#after === null) this.#beginRound();
    const now = this.#clock.now();
    const after = this.#after === null ? {} : { after: this.#after };
    this.#after = null;
    const limit = PAGE_MAX + this.#parked.size + this.#underWay.size;
    for await (const key of this.#store.list({ prefix: this.prefix, limit, ...after })) {
      const hint = hintOf(this.prefix, key);
      if (hint === undefined || this.#underWay.has(key) || this.#parked.has(key)) continue;
      if (hint.due > now) return void this.expect(hint.due);
      this.#page.push(hint);
      if (this.#page.length < PAGE_MAX) continue;
      this.#after = key;
      return;
    }
  }

  /** Frees the parked hints whose time is over. */
  #beginRound(): void {
    const now = monotonic(this.#clock);
    this.#next = Infinity; // A timer that is set from here on lowers it.
    this.#again = Infinity;
    for (const [key, until] of this.#parked)
      if (until <= now) this.#parked.delete(key);
      else this.#again = Math.min(this.#again, until);
  }
}
