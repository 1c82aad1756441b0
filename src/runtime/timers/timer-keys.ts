/**
 * The records of timers, beside those of scopes. Each scope with timers has a *ledger*, and each
 * timer a *hint*, whose key begins with its time: the keys of a store are ordered, so the list of
 * keys is the index by due time.
 *
 *     %timers/namespace/type/id                     the ledger of a scope
 *     %due/namespace/type/0001798675200000/stamp/id the hint of a timer
 *
 * No key of a scope starts like these: in a namespace a `%` is followed by a hexadecimal number.
 */
import { encodeKey, keyPrefix } from "../scope-key.ts";

/** What the keys of all hints begin with; the key of a kind, a time, a stamp and an id follow. */
export const DUE = "%due/";

/** Digits of a time: those of the furthest date. */
const DIGITS = 16;

/** What the key of a hint says. */
export interface Hint {
  readonly key: string;
  /** When its timer is due; milliseconds since the epoch. */
  readonly due: number;
  /** That of the timer. */
  readonly stamp: string;
  /** The id of the scope. */
  readonly id: string;
}

/** The key of a scope's ledger. */
export function ledgerKey(namespace: string, type: string, id: string): string {
  return `%timers/${encodeKey(namespace, type, id)}`;
}

/** The common prefix of the hints of a kind. */
export function duePrefix(namespace: string, type: string): string {
  return DUE + keyPrefix(namespace, type);
}

/** The key of a hint; `prefix` is that of its kind. */
export function hintKey(prefix: string, { due, stamp, id }: Omit<Hint, "key">): string {
  const time = String(Math.max(0, due)).padStart(DIGITS, "0");
  return `${prefix}${time}/${stamp}/${id}`;
}

/** What the key of a hint says; `undefined` for another key. */
export function hintOf(prefix: string, key: string): Hint | undefined {
  const [, time = "", stamp = "", id = ""] =
    /^(\d{16})\/([^/]+)\/(.+)$/s.exec(key.slice(prefix.length)) ?? [];
  return id === "" ? undefined : { key, due: Number(time), stamp, id };
}
