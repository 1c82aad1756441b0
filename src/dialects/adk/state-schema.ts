/**
 * The schema of a state: the declared keys, and the values that each accepts.
 *
 * Invariants
 *  V1  Keys with a `:` belong to a wider scope than one state and are never checked.
 *  V2  A check changes nothing: a value that its schema would change is rejected.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { equal } from "../../../actors/state/equal.ts";
import { StateTypeError } from "../../../actors/errors.ts";
import { isThenable } from "../../../actors/scope/mutation.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { mismatch } from "./value-schema.ts";

/**
 * Declares the keys of a state and their values, in one of three ways: a Standard Schema for each
 * key; an object schema with readable fields, as in zod (`shape`) and valibot (`entries`); or the
 * kit's own schema with `type: "OBJECT"` and `properties`.
 */
export type StateSchema =
  | Readonly<Record<string, StandardSchemaV1>>
  | { readonly shape: Readonly<Record<string, StandardSchemaV1>> }
  | { readonly entries: Readonly<Record<string, StandardSchemaV1>> }
  | { readonly type?: unknown; readonly properties?: Readonly<Record<string, object>> };

/** A write that the schema of a state rejects; nothing was written. Test `code`. */
export class StateSchemaError extends TypeError {
  readonly code = "STATE_SCHEMA" as const;
  readonly key: string;

  constructor(message: string, key: string) {
    super(message);
    this.name = new.target.name;
    this.key = key;
  }
}

/** Returns the fault of a value; `undefined` when there is none. */
type Check = (value: unknown) => string | undefined;

/** The checks of a schema by key. */
export type StateChecks = ReadonlyMap<string, Check>;

/** Reads a schema. Throws `StateTypeError` for one whose keys cannot be read. */
export function readSchema(schema: unknown): StateChecks | undefined {
  if (schema === undefined || schema === null) return undefined;
  const { fields, check } = declared(schema);
  if (!isFields(fields)) throw wrong("schema", "a schema that shows the keys it declares", schema);
  return new Map(Object.entries(fields).map(([key, field]) => [key, check(field, key)]));
}

/**
 * Throws `StateSchemaError` for an undeclared key and for a value that its key does not accept.
 * `undefined` deletes, and every declared key accepts it.
 */
export function checkValue(checks: StateChecks, key: string, value: unknown): void {
  if (key.includes(":")) return; // V1
  const check = checks.get(key);
  if (check === undefined) {
    const names = JSON.stringify([...checks.keys()].toSorted());
    const message = `Key '${key}' is not declared in the state schema. Declared fields: ${names}`;
    throw new StateSchemaError(message, key);
  }
  const problem = value === undefined ? undefined : check(value);
  if (problem === undefined) return;
  const message = `Value for '${key}' does not match the type declared in the state schema: `;
  throw new StateSchemaError(message + problem, key);
}

/** How to read a field of a schema; throws `StateTypeError` for a value that is not one. */
type ReadField = (field: unknown, key: string) => Check;

function declared(schema: unknown): { readonly fields: unknown; readonly check: ReadField } {
  if (isStandard(schema)) {
    // The caller checks which of the two exists.
    const { shape, entries } = schema as { readonly shape?: unknown; readonly entries?: unknown };
    return { fields: shape ?? entries, check: standardCheck };
  }
  if (isFields(schema) && typeof schema["type"] === "string")
    return { fields: schema["properties"], check: kitCheck };
  return { fields: schema, check: standardCheck };
}

function standardCheck(field: unknown, key: string): Check {
  if (!isStandard(field)) throw wrong(`schema.${key}`, "a schema", field);
  return (value) => {
    const result = field["~standard"].validate(value);
    if (isThenable(result)) {
      Promise.resolve(result).catch(() => undefined); // Rejected here; the result is unused.
      throw new TypeError("an asynchronous schema cannot check a state; use a synchronous one");
    }
    if (result.issues !== undefined) return result.issues.map(textOf).join("; ");
    return equal(result.value, value) ? undefined : "the schema changes this value"; // V2
  };
}

function textOf({ message, path = [] }: StandardSchemaV1.Issue): string {
  const location = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return location === "" ? message : `${message} at ${location}`;
}

function kitCheck(field: unknown, key: string): Check {
  if (!isFields(field)) throw wrong(`schema.properties.${key}`, "a schema", field);
  return (value) => mismatch(field, value);
}

function isStandard(schema: unknown): schema is StandardSchemaV1 {
  const isHolder = typeof schema === "function" || (typeof schema === "object" && schema !== null);
  return isHolder && "~standard" in schema;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(path: string, expected: string, received: unknown): StateTypeError {
  return new StateTypeError({ path, expected, received: typeName(received) });
}
