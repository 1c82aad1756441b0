/**
 * Value schemas of the published package: the part of OpenAPI that its `Schema` supports.
 *
 * Limits may be numbers or texts of numbers, as in that type. An unknown keyword is ignored.
 */
import { equal } from "../../../actors/state/equal.ts";
import { isPlainObject } from "../../../actors/state/copy.ts";

/** A schema of one value. */
export type ValueSchema = Readonly<Record<string, unknown>>;

/** The fault of a value under a schema; `undefined` when there is none. */
export function mismatch(schema: ValueSchema, value: unknown, path = ""): string | undefined {
  if (value === null && schema["nullable"] === true) return undefined;
  const problem = ofType(schema, value) ?? ofChoice(schema, value) ?? ofSize(schema, value);
  if (problem !== undefined) return path === "" ? problem : `${problem} at ${path}`;
  if (Array.isArray(value)) return inItems(schema, value, path);
  return isPlainObject(value) ? inFields(schema, value, path) : undefined;
}

const TYPES: ReadonlyMap<unknown, (value: unknown) => boolean> = new Map([
  ["string", (value: unknown) => typeof value === "string"],
  ["number", (value: unknown) => Number.isFinite(value)],
  ["integer", (value: unknown) => Number.isSafeInteger(value)],
  ["boolean", (value: unknown) => typeof value === "boolean"],
  ["array", (value: unknown) => Array.isArray(value)],
  ["object", (value: unknown) => isPlainObject(value)],
  ["null", (value: unknown) => value === null],
]);

function ofType({ type }: ValueSchema, value: unknown): string | undefined {
  const name = typeof type === "string" ? type.toLowerCase() : undefined;
  const fits = TYPES.get(name);
  return fits === undefined || fits(value) ? undefined : `expected ${name}`;
}

function ofChoice(schema: ValueSchema, value: unknown): string | undefined {
  const { enum: listed, anyOf } = schema;
  if (Array.isArray(listed) && !listed.some((each: unknown) => isChoice(each, value)))
    return "expected one of the listed values";
  if (!Array.isArray(anyOf)) return undefined;
  const fits = anyOf.some((each: unknown) => isSchema(each) && mismatch(each, value) === undefined);
  return fits ? undefined : "expected one of several types";
}

/** Listed numbers are texts. */
function isChoice(listed: unknown, value: unknown): boolean {
  const isNumber = typeof value === "number" && typeof listed === "string" && listed.trim() !== "";
  return equal(listed, value) || (isNumber && Number(listed) === value);
}

function ofSize(schema: ValueSchema, value: unknown): string | undefined {
  if (typeof value === "number") return within(schema, ["minimum", "maximum"], value);
  if (Array.isArray(value)) return within(schema, ["minItems", "maxItems"], value.length);
  if (isPlainObject(value)) {
    const { length } = Object.keys(value);
    return within(schema, ["minProperties", "maxProperties"], length);
  }
  if (typeof value !== "string") return undefined;
  const { pattern } = schema;
  if (typeof pattern === "string" && !new RegExp(pattern).test(value))
    return "expected a text of the given pattern";
  return within(schema, ["minLength", "maxLength"], value.length);
}

function within(
  schema: ValueSchema,
  [least, most]: readonly [string, string],
  size: number,
): string | undefined {
  const [low, high] = [Number(schema[least] ?? -Infinity), Number(schema[most] ?? Infinity)];
  if (size < low) return `${least} is ${low}`;
  return size > high ? `${most} is ${high}` : undefined;
}

function inItems(
  { items }: ValueSchema,
  list: readonly unknown[],
  path: string,
): string | undefined {
  if (!isSchema(items)) return undefined;
  for (const [at, each] of list.entries()) {
    const problem = mismatch(items, each, path === "" ? String(at) : `${path}.${at}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function inFields(schema: ValueSchema, value: ValueSchema, path: string): string | undefined {
  const { properties, required } = schema;
  for (const name of Array.isArray(required) ? required : [])
    if (typeof name === "string" && !Object.hasOwn(value, name)) return `${name} is required`;
  for (const [name, field] of isSchema(properties) ? Object.entries(properties) : []) {
    if (!isSchema(field) || !Object.hasOwn(value, name) || value[name] === undefined) continue;
    const problem = mismatch(field, value[name], path === "" ? name : `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isSchema(value: unknown): value is ValueSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
