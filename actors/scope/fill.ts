/**
 * Finds what a schema adds to a value, and where a schema changes one instead.
 *
 * Invariants
 *  Z1  A value is kept and its missing parts are filled in, or it is refused. A schema never
 *      replaces a value that exists.
 *  Z2  Fields that a schema drops are kept.
 */
import { types } from "node:util";
import { equal } from "../state/equal.ts";
import { isPlainObject } from "../state/copy.ts";

/** Where a schema changes a value instead of checking it. */
export interface SchemaChange {
  readonly path: readonly PropertyKey[];
}

type Path = { readonly parent: Path; readonly key: PropertyKey } | null;

class Changed {
  readonly path: Path;

  constructor(path: Path) {
    this.path = path;
  }
}

/** `given` plus the fields that only `made` has; the path of any other difference. */
export function filledFrom(
  given: object,
  made: unknown,
): { readonly filled: object } | SchemaChange {
  const filled = fill(given, made, null);
  if (!(filled instanceof Changed)) return { filled: filled as object };
  const path: PropertyKey[] = [];
  for (let at = filled.path; at !== null; at = at.parent) path.unshift(at.key);
  return { path };
}

/** `given` without the fields that `made` lacks; `given` itself when it lacks none. */
export function keptIn(given: unknown, made: unknown): unknown {
  if (given === made) return given;
  if (Array.isArray(given) && Array.isArray(made)) {
    const items = given.map((item, index) => keptIn(item, made[index]));
    return items.some((item, index) => item !== given[index]) ? items : given;
  }
  if (!isPlainObject(given) || !isPlainObject(made)) return given;
  const entries = Object.entries(given);
  const kept = entries
    .filter(([key]) => Object.hasOwn(made, key))
    .map(([key, value]) => [key, keptIn(value, made[key])] as const);
  const isSame =
    kept.length === entries.length && kept.every(([key, value]) => value === given[key]);
  return isSame ? given : Object.fromEntries(kept);
}

function fill(given: unknown, made: unknown, path: Path): unknown {
  if (given === undefined || given === made) return made;
  if (Array.isArray(given) && Array.isArray(made)) return fillList(given, made, path);
  if (types.isMap(given) && types.isMap(made)) return fillMap(given, made, path);
  if (types.isSet(given) && types.isSet(made)) return fillSet(given, made, path);
  if (isPlainObject(given) && isPlainObject(made)) return fillFields(given, made, path);
  return equal(given, made) ? given : new Changed(path);
}

/** A tuple may lack its last items. */
function fillList(
  given: readonly unknown[],
  made: readonly unknown[],
  path: Path,
): readonly unknown[] | Changed {
  if (made.length < given.length) return new Changed(path);
  let filled: unknown[] | null = null;
  for (let index = 0; index < made.length; index += 1) {
    const item = made[index];
    if (index < given.length && item === given[index]) continue;
    const value = fill(given[index], item, { parent: path, key: index });
    if (value instanceof Changed) return value;
    if (index < given.length && value === given[index]) continue;
    filled ??= [...given];
    filled[index] = value;
  }
  return filled ?? given;
}

function fillSet(
  given: ReadonlySet<unknown>,
  made: ReadonlySet<unknown>,
  path: Path,
): ReadonlySet<unknown> | Changed {
  const items = [...given];
  const filled = fillList(items, [...made], path);
  if (filled instanceof Changed) return filled;
  return filled === items ? given : new Set(filled);
}

function fillMap(
  given: ReadonlyMap<unknown, unknown>,
  made: ReadonlyMap<unknown, unknown>,
  path: Path,
): ReadonlyMap<unknown, unknown> | Changed {
  if (equal(given, made)) return given;
  const keys = [...given.keys()];
  const others = [...made.keys()];
  if (!equal(keys, others)) return new Changed(path);
  const values = fillList([...given.values()], [...made.values()], path);
  return values instanceof Changed ? values : new Map(keys.map((key, at) => [key, values[at]]));
}

function fillFields(
  given: Readonly<Record<string, unknown>>,
  made: Readonly<Record<string, unknown>>,
  path: Path,
): object {
  let filled: [string, unknown][] | null = null;
  for (const [key, value] of Object.entries(made)) {
    const current = Object.hasOwn(given, key) ? given[key] : undefined;
    const merged = fill(current, value, { parent: path, key });
    if (merged instanceof Changed) return merged;
    if (merged !== current) (filled ??= []).push([key, merged]);
  }
  return filled === null ? given : { ...given, ...Object.fromEntries(filled) };
}
