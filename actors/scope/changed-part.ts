/**
 * Checks only the changed part of a value by a schema, where the result is certain to equal that of
 * the whole check: in objects and arrays of zod 4 that have no check of their own.
 *
 * A Standard Schema offers the check of a whole value only. Plain objects and arrays of zod check
 * each field and element by itself. So a part that is identical to a part of the checked state
 * before needs no second check.
 *
 * Invariants
 *  D1  The result is that of `validate` on the whole value, if checks depend on their value alone.
 *  D2  A schema that is not known to be plain is checked whole: another library, a class derived
 *      from zod's, `refine`, `min`, `strict`, a removed field or one that is `undefined`.
 */
import { types } from "node:util";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { isPlainObject } from "../state/copy.ts";
import { equal } from "../state/equal.ts";
import { isThenable } from "./mutation.ts";

type Schema = StandardSchemaV1;
type Result = StandardSchemaV1.Result<unknown>;

/** The used part of the definition of a zod schema. */
interface Definition {
  readonly type?: unknown;
  readonly checks?: readonly unknown[];
  readonly catchall?: unknown;
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly element?: unknown;
  readonly innerType?: unknown;
}

/** The only traits of a plain schema: a class derived from them may check something else. */
const TRAITS: ReadonlyMap<unknown, RegExp> = new Map([
  ["object", /^(?:Zod|ZodMini|\$Zod)(?:Type|Object|ObjectJIT)$/],
  ["array", /^(?:Zod|ZodMini|\$Zod)(?:Type|Array)$/],
  ["default", /^(?:Zod|ZodMini|\$Zod)(?:Type|Default)$/],
  ["optional", /^(?:Zod|ZodMini|\$Zod)(?:Type|Optional)$/],
  ["nullable", /^(?:Zod|ZodMini|\$Zod)(?:Type|Nullable)$/],
]);

/** The definition found for each schema; schemas do not change. */
const definitions = new WeakMap<object, Definition | null>();

/** The result of `schema` for `value`, when `before` is a value that it accepted. */
export function validateChanged(
  schema: Schema,
  before: unknown,
  value: unknown,
): Result | Promise<Result> {
  const plain = plainDefinition(schema);
  if (plain?.type === "object" && isPlainObject(value) && isPlainObject(before))
    return ofObject(plain, before, value) ?? schema["~standard"].validate(value);
  if (plain?.type === "array" && Array.isArray(value) && Array.isArray(before))
    return ofArray(plain, before, value) ?? schema["~standard"].validate(value);
  return schema["~standard"].validate(value);
}

/** The definition of a plain object or array, also in `optional`, `nullable` and `default`. */
function plainDefinition(schema: unknown): Definition | null {
  if (!isSchema(schema)) return null;
  let found = definitions.get(schema);
  if (found === undefined) {
    found = findDefinition(schema);
    definitions.set(schema, found);
  }
  return found;
}

function findDefinition(schema: Schema): Definition | null {
  const inner: unknown = schema["~standard"].vendor === "zod" ? Reflect.get(schema, "_zod") : null;
  // What zod 4 keeps there; another version may keep something else.
  const { def, traits } = Object(inner) as { readonly def?: Definition; readonly traits?: unknown };
  if (typeof def !== "object" || def === null || !types.isSet(traits)) return null;
  const { type, checks, catchall, innerType } = def;
  const known = TRAITS.get(type);
  if (known === undefined || catchall !== undefined || (checks ?? []).length > 0) return null;
  if (![...traits].every((trait) => known.test(String(trait)))) return null;
  return type === "object" || type === "array" ? def : plainDefinition(innerType);
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === "object" && schema !== null && "~standard" in schema;
}

type Node = Readonly<Record<string, unknown>>;

/** `undefined`: it has to be checked whole. */
function ofObject({ shape }: Definition, before: Node, value: Node): Result | undefined {
  if (shape === undefined) return undefined;
  const isThere = (key: string): boolean => Object.hasOwn(value, key) && value[key] !== undefined;
  if (!Object.keys(before).every(isThere)) return undefined;
  const made: [string, unknown][] = [];
  let isSame = true;
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(shape, key)) {
      isSame = false; // The schema has no such field.
      continue;
    }
    const was = Object.hasOwn(before, key) ? before[key] : undefined;
    const part = ofPart(shape[key], was, value[key]);
    if (part === undefined) return undefined;
    made.push([key, part.value]);
    if (part.value !== value[key]) isSame = false;
  }
  return { value: isSame ? value : Object.fromEntries(made) };
}

/** `undefined`: it has to be checked whole. */
function ofArray(
  { element }: Definition,
  before: readonly unknown[],
  value: readonly unknown[],
): Result | undefined {
  if (!isSchema(element)) return undefined;
  let made: unknown[] | null = null;
  for (let at = 0; at < value.length; at += 1) {
    let item = value[at];
    if (item === undefined || item !== before[at]) {
      const part = ofPart(element, before[at], item);
      if (part === undefined) return undefined;
      if (part.value !== item) made ??= value.slice(0, at);
      item = part.value;
    }
    made?.push(item);
  }
  return { value: made ?? value };
}

/** The whole check repeats a refusal: only it gives the issues in their order. */
function ofPart(
  schema: unknown,
  before: unknown,
  value: unknown,
): StandardSchemaV1.SuccessResult<unknown> | undefined {
  if (value === undefined || !isSchema(schema)) return undefined;
  if (value === before) return { value };
  const result = validateChanged(schema, before, value);
  if (isThenable(result) || result.issues !== undefined) return undefined;
  return equal(result.value, value) ? { value } : result;
}
