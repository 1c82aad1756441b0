/**
 * The extras of a state: what a record keeps beside its state and the state does not show. They
 * are found by the state object itself, so they go wherever it goes: into a draft, a save, a
 * conflict, a read.
 *
 * Invariants
 *  E1  A frozen state keeps the extras that it has; other extras need another object. Those of a
 *      state that a draft owns are written with it.
 *  E2  Extras are frozen. A state without extras has none at all, and costs nothing.
 */
import { equal } from "./equal.ts";
import { copyRecord } from "./patches.ts";

/** A key of `once`, with the answer of the mutation that it named. */
export type OnceEntry = readonly [key: string, answer: unknown];

/** The timers that changes have set and that are not yet in the ledger of the scope. */
export interface TimerNotes {
  /** The version of the tombstone on which the record was made; absent: there was none. */
  readonly born?: number;
  /** Counts the changes with timers; a rebase makes one version of several. */
  readonly seq?: number;
  /** The timers, by the change that set them; opaque here. */
  readonly set?: readonly (readonly [seq: number, timer: object])[];
}

/** What a record may keep beside its state. */
export interface Extras {
  /** The last keys of `once`, oldest first. */
  readonly once?: readonly OnceEntry[];
  readonly timers?: TimerNotes;
}

const extras = new WeakMap<object, Extras>();

/** The extras of a state; `null` when it has none. */
export function extrasOf(state: object): Extras | null {
  return extras.get(state) ?? null;
}

/** The frozen `state` with these extras: itself, or a copy of its root when it has others (E1). */
export function withExtras(state: object, wanted: Extras | null): object {
  const present = extrasOf(state);
  if (present === wanted) return state;
  const own = present === null ? state : Object.freeze(copyRecord(state));
  if (wanted !== null) extras.set(own, wanted);
  return own;
}

/** Gives an owned state these extras. */
export function setExtras(owned: object, wanted: Extras): void {
  extras.set(owned, wanted);
}

/** True when two states are equal and have equal extras; `undefined`: there is no record. */
export function sameRecord(one: object | undefined, other: object | undefined): boolean {
  return equal(one, other) && equal(one && extrasOf(one), other && extrasOf(other));
}
