/**
 * The plain JSON of a state, as other programs read it. It is no storage format: a reader cannot
 * recover the types of the values.
 */
import { StateSerializationError } from "../../actors/errors.ts";
import type { Json } from "../../actors/protocol.ts";
import { MAX_DEPTH } from "../../actors/state/copy.ts";
import { kindOf, typeName } from "../../actors/state/kind.ts";
import { toPointer } from "./pointer.ts";

/**
 * The JSON that patches of `toJsonPatch` apply to. As `JSON.stringify`: a `Date` is its ISO text,
 * NaN and infinities are `null`, a field that is `undefined` is absent and such an element `null`.
 * Besides: a `bigint` is its digits, bytes are base64, a `Set` is the list of its members, a `Map`
 * the list of its `[key, value]` pairs. Throws `StateSerializationError` for what no
 * state can hold.
 */
export function toJson(value: unknown): Json {
  return jsonOf(value, []) ?? null;
}

type Path = (string | number)[];

function jsonOf(value: unknown, path: Path): Json | undefined {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : null; // -0 is 0.
  if (typeof value === "bigint") return String(value);
  if (value === undefined || value === null) return value;
  if (typeof value !== "object" || path.length > MAX_DEPTH) throw refusal(value, path);
  return ofNode(value, path);
}

function ofNode(node: object, path: Path): Json {
  // The casts are sound: `kindOf` checks the node.
  switch (kindOf(node)) {
    case "record":
      return ofRecord(node, path);
    case "array":
      return ofList(node as unknown[], path);
    case "map":
      return ofList([...(node as Map<unknown, unknown>)], path);
    case "set":
      return ofList([...(node as Set<unknown>)], path);
    case "bytes":
      return Buffer.from(node as Uint8Array).toString("base64");
    case "date":
      return (node as Date).toJSON();
    case "other":
      break;
  }
  throw refusal(node, path);
}

function ofList(list: readonly unknown[], path: Path): Json {
  return list.map((value, index) => jsonOf(value, [...path, index]) ?? null);
}

function ofRecord(node: object, path: Path): Json {
  const fields = Object.entries(node).flatMap(([key, value]): [string, Json][] => {
    const json = jsonOf(value, [...path, key]);
    return json === undefined ? [] : [[key, json]];
  });
  return Object.fromEntries(fields); // Own fields, `__proto__` too.
}

function refusal(value: unknown, path: Path): StateSerializationError {
  const reason =
    typeof value === "object" && path.length > MAX_DEPTH
      ? `more than ${MAX_DEPTH} levels of nesting`
      : `a value of type ${typeName(value)}`;
  return new StateSerializationError({ path: toPointer(path), reason });
}
