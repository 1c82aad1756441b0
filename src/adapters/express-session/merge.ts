/** Merges two changes of a session that were made at once. */
import { isDeepStrictEqual } from "node:util";

/** A value of JSON; `undefined`: there is none. */
type Json = unknown;

/** A session that was read, what a request made of it, and what is stored by now. */
export interface Versions {
  readonly base: Json;
  readonly mine: Json;
  readonly stored: Json;
}

/**
 * What is stored when `mine` is saved: only what differs from `base` is written into `stored`.
 * Objects are merged by their fields, at any depth; what was appended to a list is appended to the
 * stored one. Where both changed the same other value, `mine` counts.
 */
export function merged({ base, mine, stored }: Versions): Json {
  if (isDeepStrictEqual(mine, base)) return stored;
  if (isDeepStrictEqual(stored, base) || isDeepStrictEqual(stored, mine)) return mine;
  // Where there was nothing, both began with nothing.
  if (isRecord(mine) && isRecord(stored)) {
    const before = base ?? {};
    return isRecord(before) ? mergedFields(before, mine, stored) : mine;
  }
  return mergedLists(base ?? [], mine, stored) ?? mine;
}

type Fields = Readonly<Record<string, Json>>;

function mergedFields(base: Fields, mine: Fields, stored: Fields): Fields {
  const names = new Set([...Object.keys(stored), ...Object.keys(mine)]);
  const fields = [...names].map((name) => {
    const versions = { base: own(base, name), mine: own(mine, name), stored: own(stored, name) };
    return [name, merged(versions)] as const;
  });
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** `undefined` when these are no lists, or the list was edited and not only appended to. */
function mergedLists(base: Json, mine: Json, stored: Json): readonly Json[] | undefined {
  if (!Array.isArray(base) || !Array.isArray(mine) || !Array.isArray(stored)) return undefined;
  const isLonger = isDeepStrictEqual(mine.slice(0, base.length), base);
  return isLonger ? [...stored, ...mine.slice(base.length)] : undefined;
}

function own(fields: Fields, name: string): Json {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function isRecord(value: Json): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
