/**
 * A window of a list field of a state, checked before the state is read.
 *
 * The window is cut from the state in memory. A store that keeps a state whole could return a part
 * of it only after reading all of it, so a scope that is not in memory is loaded.
 */
import { StateTypeError } from "../../actors/errors.ts";
import type { MutationOptions, ScopeIdentity } from "../../actors/protocol.ts";
import { typeName } from "../../actors/state/copy.ts";

/** The arguments of `slice` after the field. */
export type Window = [from?: number, to?: number, options?: MutationOptions];

/** The indices of `Array.prototype.slice`. */
export interface Indices {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** One window; the constructor throws for a field that is no text and a bad index. */
export class ListWindow {
  readonly #field: string;
  readonly #indices: Indices;
  readonly #scope: ScopeIdentity;

  constructor(field: unknown, { from, to }: Indices, scope: ScopeIdentity) {
    if (typeof field !== "string") throw wrongType("field", "a string", field, scope);
    checkIndex("from", from);
    checkIndex("to", to);
    this.#field = field;
    this.#indices = { from, to };
    this.#scope = scope;
  }

  /** The window of `state`; throws `StateTypeError` when the field is no list. */
  of(state: object): readonly unknown[] {
    const field = this.#field;
    const value: unknown = Object.hasOwn(state, field) ? Reflect.get(state, field) : undefined;
    if (value === undefined) return Object.freeze([]);
    if (!Array.isArray(value)) throw wrongType(field, "an array", value, this.#scope);
    return Object.freeze(value.slice(this.#indices.from, this.#indices.to));
  }
}

function checkIndex(name: string, index: unknown): void {
  if (index === undefined) return;
  if (typeof index !== "number")
    throw new TypeError(`${name} must be a number, received ${typeName(index)}`);
  if (Number.isNaN(index)) throw new RangeError(`${name} must be a number, received NaN`);
}

function wrongType(
  path: string,
  expected: string,
  received: unknown,
  scope: ScopeIdentity,
): StateTypeError {
  return new StateTypeError({ path, expected, received: typeName(received) }, { scope });
}
