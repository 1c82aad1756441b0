/** Query parameters and headers, checked. */
import { KEY_MAX } from "../../actors/scope/once.ts";
import { badRequest } from "./problem.ts";

/** Most entries in one answer. */
export const PAGE_MAX = 1_000;
/** Entries in one answer, by default. */
const PAGE = 100;

/** `limit`: how many entries an answer has at most. */
export function limitOf(url: URL, fallback: number = PAGE): number {
  const limit = wholeNumber(url, "limit");
  if (limit === undefined) return fallback;
  if (limit >= 1 && limit <= PAGE_MAX) return limit;
  throw badRequest(`limit must be a whole number from 1 to ${PAGE_MAX}`);
}

/** A parameter that is a whole number, 0 or more; `undefined` when it is absent. */
export function wholeNumber(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return undefined;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw badRequest(`${name} must be a whole number, 0 or more`);
}

/** The `Idempotency-Key`, which is a key of `once`. */
export function onceOf({ headers }: Request): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null || (key.length >= 1 && key.length <= KEY_MAX)) return key ?? undefined;
  throw badRequest(`an Idempotency-Key has 1 to ${KEY_MAX} characters`);
}

/** The version that a reader of events has; `undefined` for none, and for nonsense. */
export function lastEventOf({ headers }: Request): number | undefined {
  const text = headers.get("last-event-id") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
