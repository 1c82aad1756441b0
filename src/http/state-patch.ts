/**
 * The two kinds of PATCH: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902).
 *
 * Both are computed on the state itself, not on its JSON: fields that a patch does not name keep
 * their types, such as a `Date`.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { Json } from "../../actors/protocol.ts";
import { isPlainObject } from "../../actors/state/kind.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import { fromJsonPatch } from "../patches/from-json-patch.ts";
import { parsePointer } from "../patches/pointer.ts";
import type { JsonPatchOperation } from "../patches/to-json-patch.ts";
import type { Body } from "./body.ts";
import type { Exposure } from "./exposure.ts";
import { badRequest, HttpProblem } from "./problem.ts";

/** The media types of PATCH. */
export const PATCH_TYPES = ["application/merge-patch+json", "application/json-patch+json"] as const;

/** Gives the next state, or throws; what is no object is refused where it is written. */
export type NextState = (state: object) => unknown;

/** The change that a body asks for; throws 400 for a malformed one, 403 for a hidden field. */
export function changeOf({ type, value }: Body, exposure: Exposure): NextState {
  return type === PATCH_TYPES[0] ? mergePatch(value, exposure) : jsonPatch(value, exposure);
}

function mergePatch(patch: Json, exposure: Exposure): NextState {
  if (isPlainObject(patch)) for (const field of Object.keys(patch)) exposure.check(field);
  else exposure.check(undefined);
  return (state) => merged(state, patch);
}

/** RFC 7396, section 2. The body was read within a limit of depth. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isPlainObject(patch)) return patch;
  const fields = new Map<string, unknown>(isPlainObject(target) ? Object.entries(target) : []);
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) fields.delete(field);
    else fields.set(field, merged(fields.get(field), value));
  }
  return Object.fromEntries(fields); // Own fields, `__proto__` too.
}

function jsonPatch(operations: Json, exposure: Exposure): NextState {
  if (!Array.isArray(operations)) throw badRequest("a JSON Patch is a list of operations");
  // What is no operation is refused below.
  const given = operations as JsonPatchOperation[];
  if (!exposure.isWhole) for (const operation of given) checkPointers(operation, exposure);
  return (state) => {
    try {
      return applyPatches(state, fromJsonPatch(given, state));
    } catch (error) {
      throw patchProblem(error);
    }
  };
}

function checkPointers(operation: unknown, exposure: Exposure): void {
  for (const name of ["path", "from"]) {
    const pointer: unknown = Object(operation)[name];
    if (name === "from" && pointer === undefined) continue;
    try {
      exposure.check(parsePointer(name, pointer)[0]);
    } catch (error) {
      throw patchProblem(error);
    }
  }
}

/** What an error of `fromJsonPatch` means for the client. */
function patchProblem(error: unknown): unknown {
  if (isHoldfastError(error, "STATE_TYPE"))
    return new HttpProblem(422, "PATCH_FAILED", "an operation does not fit the state", {
      members: { path: error.path },
    });
  const isMalformed = !isHoldfastError(error) && Object(error)["name"] === "TypeError";
  return isMalformed ? badRequest("the body is no JSON Patch") : error;
}
