/**
 * `State`: a working copy of a session's values and the unsaved changes. It can be used by its
 * methods and as the flat record of the values.
 *
 * Invariants
 *  J1  The methods write both to `value` and to `delta`, the objects from which the state was made;
 *      a plain property write reaches `value` only, so it is never stored.
 *  J2  A key of `delta` that is `undefined` is a deletion; such a key is not in `value`.
 *  J3  Only own keys are data. The names of the methods are keys like any other: `get(name)` reads
 *      them, while the property of that name stays the method.
 *  J4  A stored value that was returned and then changed in place is an unsaved change.
 */
import { inspect } from "node:util";
import { equal } from "../../../actors/state/equal.ts";
import { StateTypeError } from "../../../actors/errors.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { checkValue, readSchema, type StateChecks, type StateSchema } from "./state-schema.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { put, type Fields } from "./fields.ts";
import { nextStamp, stampWrite } from "./write-order.ts";

/** The key prefixes, by scope. */
export const StatePrefix = {
  APP_PREFIX: "app:",
  USER_PREFIX: "user:",
  TEMP_PREFIX: "temp:",
} as const;

interface Cell {
  readonly value: Fields;
  readonly delta: Fields;
  /**
   * The keys written as plain properties since they were last stored, with the stamps of those
   * writes.
   */
  readonly direct: Map<string, number>;
  /** Of containers in `value`: the stored, frozen value that each copies. */
  readonly origins: Map<string, unknown>;
  /** Keys of `origins` whose copies were returned. */
  readonly lent: Set<string>;
  /** The schema's checks, by key. */
  readonly checks: StateChecks | undefined;
}

const cells = new WeakMap<object, Cell>();

/** The values behind a state; for the service that synchronises them with the store. */
export function cellOf(state: object): Cell | undefined {
  return cells.get(state);
}

function cell(state: object): Cell {
  const found = cells.get(state);
  if (found === undefined) throw new TypeError("not a State");
  return found;
}

function remove(of: Cell, key: string): boolean {
  const { value, delta, direct } = of;
  const had = current(of, key);
  direct.delete(key);
  if (!had) return false;
  delete value[key];
  put(delta, key, undefined);
  stampWrite(delta, key);
  return true;
}

function write(target: Cell, key: string, value: unknown): void {
  if (value === undefined) return void remove(target, key);
  // A change in place of the same object cannot be detected here: it counts as a new value.
  const before = current(target, key) && !target.direct.has(key) ? peek(target, key) : undefined;
  const isSame = before === value && typeof value === "object" && value !== null;
  if (!isSame && equal(before, value)) return;
  put(target.value, key, value);
  put(target.delta, key, value);
  stampWrite(target.delta, key);
  target.direct.delete(key);
}

/** Keys whose values were changed in place since they were stored (J4). */
export function editedKeys(of: Cell): string[] {
  return [...of.lent].filter((key) => isEdited(of, key));
}

function isEdited({ value, delta, direct, origins }: Cell, key: string): boolean {
  if (direct.has(key) || Object.hasOwn(delta, key) || !Object.hasOwn(value, key)) return false;
  return !equal(value[key], origins.get(key));
}

/**
 * Shows a stored value, `undefined` for none, unless the key has an unsaved change. A container
 * that was returned stays the same object while its data is the same.
 */
export function showStored(of: Cell, key: string, stored: unknown): void {
  const { value, delta, direct, origins, lent } = of;
  if (direct.has(key) || Object.hasOwn(delta, key)) return;
  if (lent.has(key) && isEdited(of, key)) return;
  if (stored === undefined) delete value[key];
  else if (!lent.has(key) || !equal(value[key], stored)) put(value, key, mutableCopy(stored));
  if (typeof stored === "object" && stored !== null) return void origins.set(key, stored);
  origins.delete(key);
  lent.delete(key);
}

/** The working copy of a session's values. */
export class State {
  static readonly APP_PREFIX = "app:";
  static readonly USER_PREFIX = "user:";
  static readonly TEMP_PREFIX = "temp:";
  [key: string]: unknown;

  /**
   * Keeps both objects and writes to them in place. With a `schema`, `set` and `update` check their
   * writes: an undeclared key and a value that its key does not accept throw `StateSchemaError`,
   * and nothing is written. Not checked are keys with a `:`, which belong to a wider scope,
   * deletions of declared keys, the present contents of `value` and `delta`, and plain property
   * writes, which are never stored. Throws `StateTypeError` for a schema whose keys cannot be read.
   */
  constructor(
    value: Record<string, unknown> = {},
    delta: Record<string, unknown> = {},
    schema?: StateSchema,
  ) {
    const parts = { direct: new Map(), origins: new Map(), lent: new Set<string>() };
    const shared: Cell = { value, delta, ...parts, checks: readSchema(schema) };
    const state = new Proxy(this, handler);
    cells.set(this, shared);
    cells.set(state, shared);
    return state;
  }

  /** The value of a key, `fallback` when there is none. `null` is a value. */
  get<T = unknown>(key: string, fallback?: T): T | undefined {
    const of = cell(this);
    // The caller names the type of the stored value.
    return current(of, key) ? (read(of, key) as T) : fallback;
  }

  /**
   * Sets a key; an equal value changes nothing, `undefined` deletes the key. Throws
   * `StateSchemaError` when the schema rejects the write.
   */
  set(key: string, value: unknown): void {
    const of = cell(this);
    check(of, [[checkName(key), value]]);
    write(of, key, value);
  }

  /** True when the key has a value. */
  has(key: string): boolean {
    return current(cell(this), key);
  }

  /** Removes a key; false when it does not exist. */
  delete(key: string): boolean {
    return remove(cell(this), key);
  }

  /** A detached copy of all values. */
  getAll(): Record<string, unknown> {
    return flat(cell(this));
  }

  /** Sets several keys, or none: throws `StateSchemaError` when the schema rejects one of them. */
  update(changes: Readonly<Record<string, unknown>>): void {
    const of = cell(this);
    const entries = entriesOf(changes);
    check(of, entries);
    for (const [key, value] of entries) write(of, key, value);
  }

  /** Throws `StateSchemaError` when `update` with this delta would; writes nothing. */
  validateDelta(delta: Readonly<Record<string, unknown>>): void {
    check(cell(this), entriesOf(delta));
  }

  /** True when there are unsaved changes. */
  hasDelta(): boolean {
    const of = cell(this);
    return Object.keys(of.delta).length > 0 || editedKeys(of).length > 0;
  }

  /** As `getAll`. */
  toRecord(): Record<string, unknown> {
    return flat(cell(this));
  }

  /** The flat record, for `JSON.stringify`. */
  toJSON(): Record<string, unknown> {
    return flat(cell(this));
  }
}

Object.defineProperty(State.prototype, inspect.custom, {
  value(this: State): Fields {
    return flat(cell(this)); // The console shows the record, not the proxy.
  },
});

const METHODS: ReadonlySet<PropertyKey> = new Set(
  Object.getOwnPropertyNames(State.prototype).filter((name) => name !== "constructor"),
);

const handler: ProxyHandler<State> = {
  get: (target, key, receiver) => {
    if (typeof key === "string" && !METHODS.has(key) && current(cell(target), key))
      return read(cell(target), key);
    const inherited: unknown = Reflect.get(target, key, receiver);
    return inherited;
  },
  set: (target, key, value) => edit(target, key, (values, name) => put(values, name, value)),
  has: (target, key) =>
    typeof key === "string" ? current(cell(target), key) : Reflect.has(target, key),
  deleteProperty: (target, key) => edit(target, key, (values, name) => delete values[name]),
  ownKeys: (target) => keysOf(cell(target)),
  getOwnPropertyDescriptor: (target, key) => {
    if (typeof key !== "string" || !current(cell(target), key)) return undefined;
    const value = read(cell(target), key);
    return { value, writable: true, enumerable: true, configurable: true };
  },
  defineProperty: (target, key, descriptor) =>
    Object.hasOwn(descriptor, "value") &&
    edit(target, key, (values, name) => put(values, name, descriptor.value)),
  preventExtensions: () => false,
  setPrototypeOf: () => false,
};

type Edit = (values: Fields, key: string) => unknown;

/** Changes a plain property (J1); false for a symbol. */
function edit(target: State, key: PropertyKey, change: Edit): boolean {
  if (typeof key !== "string") return false;
  const { value, direct } = cell(target);
  change(value, key);
  direct.set(key, nextStamp());
  return true;
}

function inDelta({ delta, direct }: Cell, key: string): boolean {
  return Object.hasOwn(delta, key) && !direct.has(key);
}

function peek(of: Cell, key: string): unknown {
  return inDelta(of, key) ? of.delta[key] : of.value[key];
}

/** Returns a value that the caller may change in place (J4). */
function read(of: Cell, key: string): unknown {
  if (of.origins.has(key)) of.lent.add(key);
  return peek(of, key);
}

/** True when the key has a value; a deletion in the delta hides one. */
function current(of: Cell, key: string): boolean {
  return inDelta(of, key) ? of.delta[key] !== undefined : Object.hasOwn(of.value, key);
}

function keysOf(of: Cell): string[] {
  const keys = new Set([...Object.keys(of.value), ...Object.keys(of.delta)]);
  return [...keys].filter((key) => current(of, key));
}

function flat(of: Cell): Fields {
  const fields: Fields = {};
  for (const key of keysOf(of)) put(fields, key, mutableCopy(peek(of, key)));
  return fields;
}

function entriesOf(changes: unknown): [string, unknown][] {
  if (isPlainObject(changes)) return Object.entries(changes);
  const fields = { path: "state", expected: "a record", received: typeName(changes) };
  throw new StateTypeError(fields);
}

function check({ checks }: Cell, entries: readonly (readonly [string, unknown])[]): void {
  if (checks === undefined) return;
  for (const [key, value] of entries) checkValue(checks, key, value);
}

function checkName(key: unknown): string {
  if (typeof key === "string") return key;
  throw new StateTypeError({ path: "state", expected: "a text as key", received: typeName(key) });
}
