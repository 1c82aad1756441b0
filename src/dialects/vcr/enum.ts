/** The constants of the original, as plain objects with the same members. */

/** Names that are their own values. */
type Constants<Name extends string> = { readonly [Key in Name]: Key };

/**
 * When `expire` takes effect: on a key without, with, with an earlier, with a later time to live.
 */
export const EXPIRE_OPTION: Constants<"NX" | "XX" | "GT" | "LT"> = Object.freeze({
  NX: "NX",
  XX: "XX",
  GT: "GT",
  LT: "LT",
});
/** One of the constants of `EXPIRE_OPTION`. */
export type EXPIRE_OPTION = keyof typeof EXPIRE_OPTION;

/** What an index covers; `JSON` is rejected. */
export const IndexType: Constants<"HASH" | "JSON"> = Object.freeze({ HASH: "HASH", JSON: "JSON" });
/** One of the constants of `IndexType`. */
export type IndexType = keyof typeof IndexType;

/** The types of an index field; `VECTOR` and `GEOSHAPE` are rejected. */
export const FieldType: Constants<"TEXT" | "TAG" | "NUMERIC" | "GEO" | "VECTOR" | "GEOSHAPE"> =
  Object.freeze({
    TEXT: "TEXT",
    TAG: "TAG",
    NUMERIC: "NUMERIC",
    GEO: "GEO",
    VECTOR: "VECTOR",
    GEOSHAPE: "GEOSHAPE",
  });
/** One of the constants of `FieldType`. */
export type FieldType = keyof typeof FieldType;

/** The order of a sorted search. */
export const SortOrder: Constants<"ASC" | "DESC"> = Object.freeze({ ASC: "ASC", DESC: "DESC" });
/** One of the constants of `SortOrder`. */
export type SortOrder = keyof typeof SortOrder;

/** Units of distance. */
export const Unit: { readonly M: "m"; readonly KM: "km"; readonly MI: "mi"; readonly FT: "ft" } =
  Object.freeze({ M: "m", KM: "km", MI: "mi", FT: "ft" });
/** One of the constants of `Unit`. */
export type Unit = (typeof Unit)[keyof typeof Unit];
