/**
 * The stored form of a record: its state, the version of its kind, and the extras of the state
 * (`extras.ts`).
 *
 *     version 1, no extras     the encoded state itself, as `record-codec.ts` gives it
 *     else                     { "$holdfast": "record", "state": …, "kindVersion": 2,
 *                                "once": [[key, answer], …], "timers": { "seq": 1, … } }
 *
 * A field of version 1 or of no extras is absent.
 * A state never has this form itself: `record-codec.ts` wraps a state with a `$holdfast` key.
 *
 * Invariants
 *  V1  `decodeRecord(encodeRecord(state, version))` has an equal state with equal extras, and the
 *      same version.
 *  V2  A record of version 1 without extras is its encoded state: it costs what it cost without
 *      this file.
 *  V3  Applying `encodeChange(before, next, patches, version)` to the record of `before` with that
 *      version gives the one of `next`. Its cost depends on the change, and on how many keys of
 *      `once` the kind keeps.
 *  V4  A record with a field that is not known here is refused: another version of the library made
 *      it, and a save without that field would lose it.
 */
import type { Json, JsonObject, Patch } from "../../../actors/protocol.ts";
import { isPlainObject } from "../../../actors/state/copy.ts";
import { type Extras, extrasOf, withExtras } from "../../../actors/state/extras.ts";
import type { VersionedState } from "../kind-versions.ts";
import {
  decodeState,
  encodeFields,
  encodePatches,
  encodeState,
  type Fields,
  TAG,
} from "./record-codec.ts";

/** The value of the tag. */
const RECORD = "record";

/** The fields of the extras, each with the check of its decoded value; another one is a line. */
const FIELDS: { readonly [Name in keyof Required<Extras>]: (found: unknown) => boolean } = {
  once: isOnce,
  timers: isNotes,
};

/** Returns the JSON form of a state with its extras, of this version of its kind. */
export function encodeRecord(state: object, kindVersion: number): Json {
  const json = encodeFields(state as Fields); // A state is a plain object (`DraftState`).
  const extras = extrasOf(state);
  if (extras === null && kindVersion === 1) return json;
  const version = kindVersion === 1 ? {} : { kindVersion };
  // Sound: no field has the name of the tag, so the encoding of the extras is a record.
  return { [TAG]: RECORD, state: json, ...version, ...(encodeState(extras ?? {}) as JsonObject) };
}

/**
 * Returns the state, deep-frozen, with its extras, and the version of its kind that stored it.
 * Takes ownership of `json`. Throws an `Error` when it is not the result of `encodeRecord`.
 */
export function decodeRecord(json: Json): VersionedState {
  if (!isEnvelope(json)) return { kindVersion: 1, state: decodeState(json) };
  const { [TAG]: _, state = null, kindVersion = 1, ...others } = json;
  if (typeof kindVersion !== "number" || !Number.isSafeInteger(kindVersion) || kindVersion < 1)
    throw unreadable("kindVersion");
  const extras = decodeState(others);
  for (const [name, value] of Object.entries(extras)) {
    const check = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof Extras] : undefined;
    if (check?.(value) !== true) throw unreadable(name);
  }
  // The fields of the extras were checked.
  const hasExtras = Object.keys(extras).length > 0;
  return { kindVersion, state: withExtras(decodeState(state), hasExtras ? extras : null) };
}

function unreadable(field: string): Error {
  return new Error(`a stored record has a field that this version cannot read: ${field}`);
}

/** True for a record that is its encoded state (V2). */
function isBare(extras: Extras | null, kindVersion: number): boolean {
  return extras === null && kindVersion === 1;
}

/** The encoded state of a record, without its extras. */
export function encodedState(json: Json): Json {
  return isEnvelope(json) ? (json["state"] ?? null) : json;
}

/**
 * Converts `patches`, the change of the committed state `before` to `next`, for the record of
 * `before`, which has the same version of its kind. `undefined`: encode `next` whole.
 */
export function encodeChange(
  before: object,
  next: object,
  patches: readonly Patch[],
  kindVersion: number,
): Patch[] | undefined {
  const encoded = encodePatches(before, patches);
  const [old, made] = [extrasOf(before), extrasOf(next)];
  const wasBare = isBare(old, kindVersion);
  if (wasBare !== isBare(made, kindVersion)) return undefined; // The record changes its form.
  if (encoded === undefined || wasBare) return encoded;
  const names = Object.keys(FIELDS) as (keyof Extras)[]; // It has no other keys.
  const changes = names.flatMap((name) => below(name, fieldChange(old?.[name], made?.[name])));
  const extras = encodePatches(old ?? {}, changes);
  return extras && [...below("state", encoded), ...extras];
}

function isEnvelope(json: Json): json is JsonObject {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return false;
  return Object.hasOwn(json, TAG) && Reflect.get(json, TAG) === RECORD;
}

function isOnce(found: unknown): boolean {
  return Array.isArray(found) && found.every(isEntry);
}

function isNotes(found: unknown): boolean {
  if (!isPlainObject(found)) return false;
  const { born = 0, seq = 0, set = [], ...others } = found;
  const isRead = Object.keys(others).length === 0 && [born, seq].every(Number.isSafeInteger);
  return isRead && Array.isArray(set) && set.every((each) => Array.isArray(each));
}

function isEntry(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === "string";
}

function below(key: string, patches: readonly Patch[]): Patch[] {
  return patches.map((patch) => ({ ...patch, path: [key, ...patch.path] }));
}

/** The patches of one field, below its name. */
function fieldChange(before: unknown, next: unknown): Patch[] {
  if (before === next) return [];
  if (next === undefined) return [{ op: "remove", path: [] }];
  if (Array.isArray(before) && Array.isArray(next)) return listChange(before, next);
  return [{ op: before === undefined ? "add" : "replace", path: [], value: next }];
}

/** Old elements were dropped and new ones added; anything else is written whole. */
function listChange(before: readonly unknown[], next: readonly unknown[]): Patch[] {
  const dropped = before.indexOf(next[0]);
  const kept = before.length - dropped;
  if (dropped < 0 || next.slice(0, kept).some((each, at) => each !== before[dropped + at]))
    return [{ op: "replace", path: [], value: next }];
  return [
    ...before.slice(0, dropped).map((): Patch => ({ op: "remove", path: [0] })),
    ...next.slice(kept).map((value, at): Patch => ({ op: "add", path: [kept + at], value })),
  ];
}
