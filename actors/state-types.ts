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

/** Arrays that are mapped position by position, because their positions have types of their own. */
type Tuple =
  | readonly [unknown, ...unknown[]]
  | readonly [...unknown[], unknown]
  | { readonly length: 0 | 1 | 2 | 3 | 4 };

/**
 * `T` with every record, array, map and set in it read-only; dates and bytes stay as they are.
 *
 * Arrays are named, here and in `Mutable`: a compiler maps the elements of others at once, and the
 * recursive types of JSON and of messages have no end. No condition is about `T` on its right side:
 * then a compiler compares two types by their members, and one of any state accepts all others.
 */
export type DeepReadonly<T> = T extends Whole
  ? T
  : T extends readonly (infer E)[]
    ? T extends Tuple
      ? { readonly [I in keyof T]: DeepReadonly<T[I]> }
      : readonly DeepReadonly<E>[]
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
  : T extends readonly (infer E)[]
    ? T extends Tuple
      ? { -readonly [I in keyof T]: Mutable<T[I]> }
      : Mutable<E>[]
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
