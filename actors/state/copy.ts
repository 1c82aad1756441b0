/**
 * Defines what a state may contain, and copies it in: every value from a caller is checked and
 * copied here, and the kernel commits and returns only such copies.
 *
 * Owns: the list of storable values and the limits of one copy.
 *
 *  V1  A copy shares no object with its source, and nothing is changed before all of it has
 *      been checked.
 *  V2  Every record, array, map and set of a copy is frozen; a map or set throws when it is
 *      changed. Dates and bytes cannot be frozen by the language and are only copied.
 *  V3  Only own properties are read and written; `__proto__` is an ordinary own key.
 *  V4  A value that passed nests at most `MAX_DEPTH` containers, the root included, has no cycle,
 *      and can be compared, measured and encoded without a throw.
 *  V5  A refused value throws `StateSerializationError`, which carries its path, never the value.
 */
import { HoldfastError, StateSerializationError } from "../errors.ts";
import { kindOf, typeName } from "./kind.ts";
import { copyRecord, SPREAD_LIMIT } from "./patches.ts";
import { isError } from "../realm.ts";
import type { ScopeIdentity } from "../protocol.ts";

export { isPlainObject, typeName } from "./kind.ts";
export { sizeBytes } from "./size.ts";

/** Most containers (records, arrays, maps, sets) inside one another, the root included. */
export const MAX_DEPTH = 64;

/**
 * Most containers and array elements one copy may make. Objects that refer to one another without a
 * cycle can unfold to any size; this is the limit.
 */
export const MAX_NODES: number = 2 ** 23;

/** Records of at most this many fields are copied by assignment when the copy is to be frozen. */
const ASSIGN_LIMIT = 16;

/** The position of a copied value. */
export interface CopyOptions {
  /** Containers above the value, the root included; default 0: the value is the root. */
  readonly depth?: number;
  /** Named by the error. */
  readonly scope?: ScopeIdentity | undefined;
}

/**
 * Returns a frozen copy of `value` that shares nothing with it. Records become plain objects,
 * array holes `undefined`, a `Buffer` a `Uint8Array`; own keys that are not enumerable are left
 * out. Throws `StateSerializationError` with the path (below `path`) of what cannot be stored.
 */
export function copyIn<T>(value: T, path: string, options: CopyOptions = {}): T {
  if (isLeaf(value)) return value;
  // A copy has the type of its source, except for the class of a `Buffer`.
  return new Copier(path, options).run(value) as T;
}

/**
 * `copyIn` for a record whose fields are used one by one: the values are frozen, the record
 * itself need not be (V8 takes 300 ns to freeze what it copies in 30).
 */
export function copyFields(
  source: Readonly<Record<string, unknown>>,
  scope: ScopeIdentity | undefined,
): Readonly<Record<string, unknown>> {
  return flatCopy(source) ?? copyIn(source, "", { scope });
}

/** A copy of a narrow record of leaves; otherwise `null`: `Copier` copies or refuses it. */
function flatCopy(source: object): Record<string, unknown> | null {
  try {
    let count = 0; // Not by `Object.keys`, whose list is larger than most copies.
    for (const _ in source) if (++count > SPREAD_LIMIT) return null;
    // Spread here, not by `copyRecord`: a spread that sees fewer shapes takes 50 ns less of 300.
    const copy: Record<string, unknown> = { ...source };
    for (const key in copy) {
      const value = copy[key];
      // Most are texts and numbers.
      if (typeof value !== "string" && typeof value !== "number" && !isLeaf(value)) return null;
    }
    return Object.getOwnPropertySymbols(source).length > 0 ? null : copy;
  } catch {
    return null;
  }
}

/** True for a storable value that needs no copy. */
export function isLeaf(value: unknown): boolean {
  const type = typeof value;
  if (type === "object") return value === null;
  return type !== "function" && type !== "symbol";
}

/** One run of `copyIn`: keeps its path for errors and the nodes above to find cycles. */
class Copier {
  readonly #path: string;
  readonly #depth: number;
  readonly #scope: ScopeIdentity | undefined;
  readonly #keys: (string | number)[] = [];
  readonly #above: object[] = [];
  #nodes = 0;

  constructor(path: string, options: CopyOptions) {
    this.#path = path;
    this.#depth = options.depth ?? 0;
    this.#scope = options.scope;
  }

  run(value: unknown): unknown {
    try {
      return this.#copy(value);
    } catch (error) {
      if (isError(error) && error instanceof HoldfastError) throw error;
      throw this.#refusal("something that throws when it is read", error);
    }
  }

  #child(value: unknown, key: string | number): unknown {
    if (isLeaf(value)) return value;
    this.#keys.push(key);
    const copy = this.#copy(value);
    this.#keys.pop();
    return copy;
  }

  #copy(value: unknown): unknown {
    if (typeof value !== "object" || value === null) throw this.#refusal(`a ${typeof value}`);
    const kind = kindOf(value);
    if (kind === "other") throw this.#refusal(`an instance of ${typeName(value)}`);
    if (kind !== "bytes" && Object.getOwnPropertySymbols(value).length > 0) {
      throw this.#refusal("a symbol key");
    }
    // The casts are sound: `kindOf` has checked the value.
    if (kind === "bytes") return new Uint8Array(value as Uint8Array);
    if (kind === "date") return this.#date(value as Date);
    this.#enter(value);
    let copy: object;
    if (kind === "record") copy = this.#record(value);
    else if (kind === "array") copy = this.#array(value as unknown[]);
    else if (kind === "map") copy = this.#map(value as Map<unknown, unknown>);
    else copy = this.#set(value as Set<unknown>);
    this.#above.pop();
    return Object.freeze(copy);
  }

  #enter(node: object): void {
    if (this.#above.includes(node)) throw this.#refusal("a reference to an object around it");
    if (this.#depth + this.#above.length >= MAX_DEPTH) {
      throw this.#refusal(`more than ${MAX_DEPTH} levels of nesting`);
    }
    this.#count(1);
    this.#above.push(node);
  }

  #count(nodes: number): void {
    this.#nodes += nodes;
    if (this.#nodes > MAX_NODES) throw this.#refusal(`more than ${MAX_NODES} objects`);
  }

  #record(source: object): object {
    const copy = this.#fields(source);
    for (const key of Object.keys(copy)) {
      const value = copy[key];
      // The key is an own data property, so even `__proto__` is simply overwritten.
      if (!isLeaf(value)) copy[key] = this.#child(value, key);
    }
    return copy;
  }

  #fields(source: object): Record<string, unknown> {
    try {
      return copyToFreeze(source);
    } catch (error) {
      const key = throwingKey(source);
      if (key !== undefined) this.#keys.push(key);
      throw error;
    }
  }

  #array(source: readonly unknown[]): object {
    this.#count(source.length);
    // Indexes are listed first, so the last own key shows whether there is another key.
    const last = Object.keys(source).at(-1);
    if (last !== undefined && !(String(Number(last)) === last && Number(last) < source.length)) {
      throw this.#refusal("an array with keys of its own");
    }
    const copy: unknown[] = [];
    for (let index = 0; index < source.length; index++) {
      copy.push(this.#child(source[index], index));
    }
    return copy;
  }

  #date(source: Date): Date {
    if (Object.keys(source).length > 0) throw this.#refusal("a date with keys of its own");
    return new Date(source);
  }

  #map(source: Map<unknown, unknown>): object {
    if (Object.keys(source).length > 0) throw this.#refusal("a map with keys of its own");
    this.#count(source.size);
    const copy = new Map<unknown, unknown>();
    for (const [key, value] of source) {
      const name = typeof key === "string" ? key : copy.size;
      copy.set(this.#child(key, name), this.#child(value, name));
    }
    return Object.defineProperties(copy, READ_ONLY);
  }

  #set(source: Set<unknown>): object {
    if (Object.keys(source).length > 0) throw this.#refusal("a set with keys of its own");
    this.#count(source.size);
    const copy = new Set<unknown>();
    for (const member of source) copy.add(this.#child(member, copy.size));
    return Object.defineProperties(copy, READ_ONLY);
  }

  #refusal(reason: string, cause?: unknown): StateSerializationError {
    const fields = { path: joinPath(this.#path, this.#keys), reason };
    return new StateSerializationError(fields, { scope: this.#scope, cause });
  }
}

/** `Object.freeze` leaves the content of maps and sets open; these own methods close it. */
const READ_ONLY: PropertyDescriptorMap = Object.fromEntries(
  ["set", "add", "delete", "clear"].map((name) => [name, { value: refuseChange }]),
);

function refuseChange(): never {
  throw new TypeError("this collection is part of a committed state and is read-only");
}

/**
 * Freezes one node of a state, not its children; maps and sets also refuse to be changed. Dates
 * and bytes are left as they are.
 */
export function freezeShallow<T extends object>(node: T): T {
  const kind = kindOf(node);
  if (kind === "date" || kind === "bytes") return node;
  const closes = (kind === "map" || kind === "set") && !Object.isFrozen(node);
  return Object.freeze(closes ? Object.defineProperties(node, READ_ONLY) : node);
}

/**
 * A copy of a record that will be frozen. V8 gives a frozen spread its own hidden class (300
 * ns and 135 bytes each, and slower reads), a frozen assignment a shared one; but assigning more
 * than 19 fields makes a dictionary, which is slow to spread.
 */
export function copyToFreeze(source: object): Record<string, unknown> {
  const isNarrow = Object.keys(source).length <= ASSIGN_LIMIT;
  // Assignment would hit the setter of `__proto__` (V3).
  if (!isNarrow || Object.hasOwn(source, "__proto__")) return copyRecord(source);
  const copy: Record<string, unknown> = {};
  return Object.assign(copy, source);
}

/** The first own field whose getter throws. */
function throwingKey(source: object): string | undefined {
  return Object.keys(source).find((key) => {
    try {
      Reflect.get(source, key);
      return false;
    } catch {
      return true;
    }
  });
}

function joinPath(start: string, keys: readonly (string | number)[]): string {
  let path = start;
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else path += path === "" ? key : `.${key}`;
  }
  return path;
}
