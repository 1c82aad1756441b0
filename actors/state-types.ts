/**
 * Types of states: read-only as they are seen, and mutable as a recipe or a copy has them.
 *
 * Types only. Values that a state keeps as a whole, and objects that it cannot keep, are left as
 * they are: mapped member by member they would no longer be values of their class.
 */

/** What a mapped type leaves as it is. */
type Whole =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | ((...args: never) => unknown)
  | (abstract new (...args: never) => unknown)
  | ArrayBuffer
  | ArrayBufferView
  | Date
  | Promise<unknown>
  | RegExp
  | URL;

/** `T` with every record, array, map and set in it read-only; dates and bytes stay as they are. */
export type DeepReadonly<T> = T extends Whole
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? ReadonlyMap<DeepReadonly<K>, DeepReadonly<V>>
    : T extends ReadonlySet<infer V>
      ? ReadonlySet<DeepReadonly<V>>
      : T extends object
        ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
        : T;

/** `T` with every record, array, map and set in it mutable; dates and bytes stay as they are. */
export type Mutable<T> = T extends Whole
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? Map<Mutable<K>, Mutable<V>>
    : T extends ReadonlySet<infer V>
      ? Set<Mutable<V>>
      : T extends object
        ? { -readonly [K in keyof T]: Mutable<T[K]> }
        : T;

/** The state as a recipe changes it. */
export type Draft<S> = Mutable<S>;

/** A value that a call takes: it is copied, so what is read of a state will do, too. */
export type Given<T> = T | DeepReadonly<T>;

/** A state that a call takes, by its fields. */
export type GivenState<S> = { [K in keyof S]: S[K] } | DeepReadonly<S>;
