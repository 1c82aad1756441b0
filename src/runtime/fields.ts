/**
 * The fields of a state by their types: which of them an operation takes, and what it puts there.
 */

/** Names of the number fields of `S`. */
export type NumericKeys<S> = {
  [K in keyof S]-?: unknown extends S[K] ? K : NonNullable<S[K]> extends number ? K : never;
}[keyof S];
/** Names of the array fields of `S`. */
export type ArrayKeys<S> = {
  [K in keyof S]-?: unknown extends S[K]
    ? K
    : NonNullable<S[K]> extends readonly unknown[]
      ? K
      : never;
}[keyof S];
/** Names of the record fields of `S`. */
export type RecordKeys<S> = {
  [K in keyof S]-?: unknown extends S[K]
    ? K
    : NonNullable<S[K]> extends readonly unknown[]
      ? never
      : NonNullable<S[K]> extends object
        ? K
        : never;
}[keyof S];
/** The element type of an array field. */
export type Element<A> = unknown extends A
  ? unknown
  : NonNullable<A> extends readonly (infer E)[]
    ? E
    : never;
/** The value type of a record field. */
export type RecordValue<R> = NonNullable<R> extends Readonly<Record<string, infer V>> ? V : unknown;
