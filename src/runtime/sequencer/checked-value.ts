/**
 * Values of a run that a schema checks: its input, and the data of a resume.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { StateValidationError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { resultOf } from "../../../actors/scope/validation.ts";
import { copyIn, typeName } from "../../../actors/state/copy.ts";

/** A Standard Schema that takes a `Given` and whose result is a `T`. */
export type ValueSchema<T, Given = unknown> = StandardSchemaV1<Given, T>;

/** True for a Standard Schema; those of some libraries are functions. */
export function isSchema(value: unknown): value is ValueSchema<unknown> {
  const isObject = typeof value === "object" || typeof value === "function";
  return isObject && value !== null && "~standard" in value;
}

/** Throws `TypeError` for a value that is neither `undefined` nor a schema. */
export function checkSchema(name: string, value: unknown): void {
  if (value === undefined || isSchema(value)) return;
  throw new TypeError(`${name} must be a Standard Schema, received ${typeName(value)}`);
}

/**
 * The frozen result of the schema for `value`; rejects with `StateValidationError` when it does not
 * fit, and with `StateSerializationError` when the result cannot be stored.
 */
export async function checkedValue(
  schema: ValueSchema<unknown>,
  value: unknown,
  { what, scope }: { readonly what: string; readonly scope: ScopeIdentity },
): Promise<unknown> {
  const result = await resultOf(schema["~standard"], value);
  if (result.issues === undefined) return copyIn(result.value, what, { depth: 2, scope });
  const issues = result.issues.map(({ message, path = [] }) => ({
    message,
    path: path.map((part) => (typeof part === "object" ? part.key : part)),
  }));
  throw new StateValidationError(issues, { scope }, what);
}
