/**
 * The ledger of a scope: its timers as they are stored, in a record of their own, so that a timer
 * makes no version of the scope. A timer that a change sets is a note in the record of the scope
 * first (`TimerNotes`), saved with the change; it moves to the ledger later.
 *
 * Invariants
 *  L1  A scope's timers are those of the ledger and, over them, the notes whose number is above
 *      `applied`. Both end with the record: a note is part of it, and a timer of the ledger counts
 *      only if it was set after the tombstone on which the record was made (`born`).
 *  L2  Numbers of notes grow with the versions of the scope, so an old note is never applied twice,
 *      however late it is read. A rebase makes one version of several notes, each with a number.
 */
import type { Json } from "../../../actors/protocol.ts";
import type { TimerNotes } from "../../../actors/state/extras.ts";
import { decodeState, encodeState } from "../persistence/record-codec.ts";
import type { Timer } from "../scope-types.ts";
import { nextTime } from "./cron.ts";
import type { Repetition, TimerPlan } from "./plan.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

/** A timer as it is stored. */
export interface Row extends Repetition {
  readonly key: string;
  readonly name: string;
  readonly payload: unknown;
  /** When it fires; milliseconds since the epoch. */
  readonly at: number;
  /** When it is tried next: `at`, or later after a failure. */
  readonly due: number;
  /** How often it has failed. */
  readonly failures: number;
  /** New with each change of the row; names its hint. */
  readonly stamp: string;
  /** The version of the scope at which it was set; half a version more if there was no record. */
  readonly since: number;
}

/** The row of a new timer. Rejects with `TypeError` or `RangeError` for a bad cron expression. */
export async function rowOf({ at, ...plan }: TimerPlan, since: number, now: number): Promise<Row> {
  const due = at ?? (await nextTime(plan, now));
  if (due === undefined) throw new RangeError(`cron ${JSON.stringify(plan.cron)} has no next time`);
  return Object.freeze({ ...plan, at: due, due, failures: 0, stamp: randomUUID(), since });
}

/** The stored ledger. */
export interface Ledger {
  /** The version of its record; 0: there is none. */
  readonly version: number;
  readonly rows: readonly Row[];
  /** The last note that is part of it. */
  readonly applied: number;
}

/** What the ledger depends on in the state of its scope. */
export interface LedgerBase {
  readonly version: number;
  readonly exists: boolean;
  readonly notes: TimerNotes | undefined;
}

/** The timers of a scope. */
export interface Timers {
  /** By key. */
  readonly rows: ReadonlyMap<string, Row>;
  readonly applied: number;
  /** What was read for them. */
  readonly ledger: Ledger;
}

/** The version at which a timer of this life of the scope was set. */
export function sinceOf({ exists, version }: LedgerBase): number {
  return exists ? version : version + 0.5;
}

/** A timer counts when it was set above this version: that of the last deletion or expiry. */
function floorOf({ exists, notes, version }: LedgerBase): number {
  return exists ? (notes?.born ?? 0) : version;
}

/** True for a ledger with notes that the state lacks. A rebase makes one version of several. */
export function isAhead({ applied }: Ledger, { version, notes }: LedgerBase): boolean {
  return applied > Math.max(version, notes?.seq ?? 0);
}

/**
 * The timers of a scope (L1). A ledger that is ahead of a state that was read after it belongs to
 * an earlier life of the id, whose tombstone has ended.
 */
export function timersIn(ledger: Ledger, base: LedgerBase): Timers {
  const floor = floorOf(base);
  const isOld = isAhead(ledger, base);
  const rows = new Map<string, Row>();
  for (const row of isOld ? [] : ledger.rows) if (row.since > floor) rows.set(row.key, row);
  const applied = isOld ? 0 : ledger.applied;
  // What `timed-mutation.ts` has written.
  const notes = (base.notes?.set ?? []) as readonly (readonly [number, Row])[];
  for (const [seq, row] of notes) if (seq > applied) rows.set(row.key, row);
  return { rows, applied: Math.max(applied, base.notes?.seq ?? 0), ledger };
}

/** True when the ledger is these timers, as objects that were read from it. */
export function isStoredIn(ledger: Ledger, { rows, applied }: Omit<Timers, "ledger">): boolean {
  if (applied !== ledger.applied || rows.size !== ledger.rows.length) return false;
  return ledger.rows.every((row) => rows.get(row.key) === row);
}

/** The rows in the order in which they fire. */
export function inOrder(rows: Iterable<Row>): Row[] {
  return [...rows].toSorted((a, b) => a.due - b.due || a.at - b.at || (a.key < b.key ? -1 : 1));
}

/** A row as users see it. */
export function timerOf({ key, name, payload, at }: Row): Timer {
  return Object.freeze({ key, name, payload, at: new Date(at) });
}

/** The stored form; `undefined`: there is nothing to store. */
export function encodeLedger({ rows, applied }: Omit<Timers, "ledger">): Json | undefined {
  if (rows.size === 0 && applied === 0) return undefined;
  return { applied, rows: encodeState([...rows.values()]) };
}

/** Reads the stored form; throws an `Error` for another one. */
export function decodeLedger(version: number, json: Json | undefined): Ledger {
  if (json === undefined) return { version, rows: [], applied: 0 };
  const { applied, rows } = decodeState(json) as Partial<Ledger>; // Checked here.
  if (typeof applied === "number" && Array.isArray(rows) && rows.every(isRow))
    return { version, rows, applied };
  throw new Error("the timers of a scope have a form that this version cannot read");
}

function isRow(row: unknown): row is Row {
  if (typeof row !== "object" || row === null) return false;
  const { key, name, at, due, stamp, since, failures } = row as Partial<Row>; // Checked here.
  const numbers = [at, due, since, failures];
  return (
    [key, name, stamp].every((each) => typeof each === "string") && numbers.every(Number.isFinite)
  );
}
