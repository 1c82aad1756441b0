/**
 * What of a kind is reached over HTTP, both ways.
 *
 *  E1  With `fields`, nothing of another field leaves: no value, no patch, no `meta`, and no
 *      difference between two answers that depends on such a value.
 *  E2  With `fields`, nothing of another field is written, nor tested.
 */
import { StateValidationError, isHoldfastError } from "../../actors/errors.ts";
import { optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { isPlainObject, typeName } from "../../actors/state/kind.ts";
import { toJson } from "../patches/to-json.ts";
import { toJsonPatch, type JsonPatchOperation } from "../patches/to-json-patch.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import type { Json, Patch } from "../../actors/protocol.ts";
import { HttpProblem } from "./problem.ts";

/** What of one kind is exposed. */
export interface KindExposure {
  /** GET; default true. */
  readonly read?: boolean | undefined;
  /** PATCH, DELETE and rewind; default false. */
  readonly write?: boolean | undefined;
  /** The only fields of the state that leave, and that may be written; default all. */
  readonly fields?: readonly string[] | undefined;
}

const OPTIONS = optionNames<KindExposure>({ read: true, write: true, fields: true });

/** A checked exposure; see the head of this file. */
export class Exposure {
  readonly read: boolean;
  readonly write: boolean;
  readonly #fields: ReadonlySet<string> | null;

  /** Throws `TypeError` for what is no exposure. */
  constructor(type: string, given: KindExposure) {
    refuseUnknown(`kind "${type}" of createHandler`, given, OPTIONS);
    this.read = flag("read", given.read, true);
    this.write = flag("write", given.write, false);
    this.#fields = given.fields === undefined ? null : new Set(names(type, given.fields));
  }

  /** All fields are exposed. */
  get isWhole(): boolean {
    return this.#fields === null;
  }

  /** The exposed part of a state. */
  part(state: object): object {
    if (this.#fields === null) return state;
    return Object.fromEntries(Object.entries(state).filter(([field]) => this.#shows(field)));
  }

  /** The JSON of the exposed part. */
  json(state: object): Json {
    return toJson(this.part(state));
  }

  /** The JSON Patch of a change of `before`, as far as it is exposed. */
  patch(patches: readonly Patch[], before: object): JsonPatchOperation[] {
    if (this.#fields === null) return toJsonPatch(patches, before);
    if (patches.some(({ path }) => path.length === 0)) {
      const value = this.json(applyPatches(before, patches));
      return [{ op: "replace", path: "", value }];
    }
    const shown = patches.filter(({ path }) => this.#shows(String(path[0])));
    return toJsonPatch(shown, this.part(before));
  }

  /** Throws 403 unless a field with this name may be written (E2). */
  check(field: string | undefined): void {
    if (this.#fields === null || (field !== undefined && this.#fields.has(field))) return;
    throw new HttpProblem(403, "FORBIDDEN", "only exposed fields may be named");
  }

  /** An error without the paths of fields that are not exposed. */
  shownError(error: unknown): unknown {
    if (this.#fields === null || !isHoldfastError(error, "STATE_INVALID")) return error;
    const shown = error.issues.filter(({ path = [] }) => this.#shows(String(path[0])));
    return new StateValidationError(shown, { scope: error.scope, cause: error });
  }

  #shows(field: string): boolean {
    return this.#fields === null || this.#fields.has(field);
  }
}

/** The exposures of the kinds by their names. */
export function exposuresOf(kinds: unknown): ReadonlyMap<string, Exposure> {
  if (kinds === undefined) return new Map();
  if (!isPlainObject(kinds))
    throw new TypeError(`kinds must be an object of exposures, received ${typeName(kinds)}`);
  // What is no exposure is refused by `Exposure`.
  return new Map(
    Object.entries(kinds).map(([type, given]) => [type, new Exposure(type, given as KindExposure)]),
  );
}

function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw new TypeError(`${name} must be true or false, received ${typeName(value)}`);
}

function names(type: string, fields: unknown): string[] {
  if (Array.isArray(fields) && fields.every((field) => typeof field === "string")) return fields;
  throw new TypeError(`fields of kind "${type}" must be a list of names`);
}
