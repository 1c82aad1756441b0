/**
 * The seven operations as mutations: pure data and pure functions, run by the kernel.
 *
 * Arguments are copied in when the caller makes the call. What user code returns is copied in when
 * it is written. `delta` and `path` are the fields of flow-state-dev's events.
 */
import { ownValue, type DraftState } from "../../actors/state/draft-state.ts";
import { StateTypeError } from "../../actors/errors.ts";
import type { Mutation } from "../../actors/scope/mutation.ts";
import type { MutationContext, ScopeIdentity } from "../../actors/protocol.ts";
import { copyFields, copyIn, isPlainObject, typeName } from "../../actors/state/copy.ts";

/** The class of an operation: made with its scope, which errors name, and its arguments. */
export type Operation<A extends readonly unknown[]> = new (
  scope: ScopeIdentity,
  ...given: A
) => Mutation;

type Fields = Readonly<Record<string, unknown>>;

function wrongType(path: string, expected: string, received: unknown, scope: ScopeIdentity): never {
  throw new StateTypeError({ path, expected, received: typeName(received) }, { scope });
}

/** The fields of a plain object, copied in; throws `StateTypeError` for anything else. */
function fieldsOf(value: unknown, scope: ScopeIdentity): Fields {
  if (!isPlainObject(value)) wrongType("", "a plain object", value, scope);
  return copyFields(value, scope);
}

function nameOf(value: unknown, what: string, scope: ScopeIdentity): string {
  if (typeof value !== "string") wrongType(what, "a string", value, scope);
  return value;
}

function numberIn(draft: DraftState, field: string): number {
  const current = draft.get(field);
  if (current === undefined) return 0;
  if (typeof current !== "number") wrongType(field, "a number", current, draft.scope);
  return current;
}

/* `for in` makes no list of the keys; a program may have added keys to all objects. */

function merge(draft: DraftState, fields: Fields): void {
  for (const field in fields) if (Object.hasOwn(fields, field)) draft.set(field, fields[field]);
}

/** `patchState(updates)`: merges one level deep; `undefined` and `null` change nothing. */
export class PatchMutation implements Mutation {
  readonly operation = "patch";
  readonly #updates: Fields;

  constructor(scope: ScopeIdentity, updates: unknown) {
    this.#updates = updates === undefined || updates === null ? {} : fieldsOf(updates, scope);
  }

  write(draft: DraftState): void {
    merge(draft, this.#updates);
  }

  delta(): unknown {
    return Object.freeze(this.#updates);
  }
}

/** `patchState(key, updater)`: sets one field to the updater's result for its value. */
export class FieldMutation implements Mutation {
  readonly operation = "patch";
  readonly #field: string;
  readonly #updater: (current: unknown, context: MutationContext) => unknown;
  #next: unknown;

  constructor(scope: ScopeIdentity, field: string, updater: unknown) {
    if (typeof updater !== "function") wrongType(field, "an updater function", updater, scope);
    this.#field = field;
    // Any function can be called with these; what it returns is checked when it is written.
    this.#updater = updater as (current: unknown, context: MutationContext) => unknown;
  }

  compute(state: object, context: MutationContext): unknown {
    return this.#updater(ownValue(state, this.#field), context);
  }

  write(draft: DraftState, computed: unknown): void {
    this.#next = copyIn(computed, this.#field, { depth: 1, scope: draft.scope });
    draft.set(this.#field, this.#next);
  }

  path(): string {
    return this.#field;
  }

  delta(): unknown {
    return { [this.#field]: this.#next };
  }
}

/** `setState(next)`: replaces the whole state. */
export class SetMutation implements Mutation {
  readonly operation = "set";
  readonly #next: Fields;

  constructor(scope: ScopeIdentity, next: unknown) {
    if (!isPlainObject(next)) wrongType("", "a plain object", next, scope);
    this.#next = copyIn(next, "", { scope }); // Frozen: it becomes the state.
  }

  write(draft: DraftState): void {
    draft.replace(this.#next);
  }

  delta(): unknown {
    return this.#next;
  }
}

/** `incState(increments)`: adds to numbers; a missing field starts at 0. */
export class IncrementMutation implements Mutation {
  readonly operation = "increment";
  readonly #increments: Readonly<Record<string, number>>;

  constructor(scope: ScopeIdentity, increments: unknown) {
    const fields = fieldsOf(increments ?? {}, scope);
    for (const field in fields)
      if (typeof fields[field] !== "number" && Object.hasOwn(fields, field))
        wrongType(field, "a number to add", fields[field], scope);
    this.#increments = fields as Readonly<Record<string, number>>; // Checked just above.
  }

  write(draft: DraftState): void {
    const increments = this.#increments;
    for (const field in increments) numberIn(draft, field); // Throws before it writes (A1).
    for (const field in increments)
      if (Object.hasOwn(increments, field))
        draft.set(field, numberIn(draft, field) + (increments[field] ?? 0));
  }

  delta(): unknown {
    return Object.freeze(this.#increments);
  }
}

/** `pushState(field, value)`: appends to an array; a missing field starts empty. */
export class PushMutation implements Mutation {
  readonly operation = "push";
  readonly #field: string;
  readonly #value: unknown;

  constructor(scope: ScopeIdentity, field: unknown, value: unknown) {
    this.#field = nameOf(field, "field", scope);
    this.#value = copyIn(value, this.#field, { depth: 2, scope });
  }

  write(draft: DraftState): void {
    draft.push(this.#field, this.#value);
  }

  path(): string {
    return this.#field;
  }

  delta(): unknown {
    return { [this.#field]: this.#value };
  }
}

/** `appendState(field, values)`: appends each value to an array; a missing field starts empty. */
export class AppendMutation implements Mutation {
  readonly operation = "push";
  readonly #field: string;
  readonly #values: readonly unknown[];

  constructor(scope: ScopeIdentity, field: unknown, values: unknown) {
    this.#field = nameOf(field, "field", scope);
    if (!Array.isArray(values)) wrongType(this.#field, "an array of values", values, scope);
    this.#values = copyIn<unknown[]>(values, this.#field, { depth: 1, scope });
  }

  write(draft: DraftState): void {
    draft.append(this.#field, this.#values);
  }

  path(): string {
    return this.#field;
  }

  delta(): unknown {
    return { [this.#field]: this.#values };
  }
}

/** `setStateRecord(field, key, value)`: sets one key of a record; a missing record starts empty. */
export class SetKeyMutation implements Mutation {
  readonly operation = "patch";
  readonly #field: string;
  readonly #key: string;
  readonly #value: unknown;

  /** The field, and the key in it. */
  get place(): readonly [field: string, key: string] {
    return [this.#field, this.#key];
  }

  constructor(scope: ScopeIdentity, place: readonly [unknown, unknown], value: unknown) {
    this.#field = nameOf(place[0], "field", scope);
    this.#key = nameOf(place[1], `${this.#field} key`, scope);
    this.#value = copyIn(value, `${this.#field}.${this.#key}`, { depth: 2, scope });
  }

  write(draft: DraftState): void {
    draft.setKey(this.#field, this.#key, this.#value);
  }

  path(): string {
    return `${this.#field}.${this.#key}`;
  }

  delta(): unknown {
    return { [this.#field]: { [this.#key]: this.#value } };
  }
}

/** `deleteStateRecord(field, key)`: removes one key of a record. */
export class DeleteKeyMutation implements Mutation {
  readonly operation = "delete_key";
  readonly #field: string;
  readonly #key: string;

  /** The field, and the key in it. */
  get place(): readonly [field: string, key: string] {
    return [this.#field, this.#key];
  }

  constructor(scope: ScopeIdentity, field: unknown, key: unknown) {
    this.#field = nameOf(field, "field", scope);
    this.#key = nameOf(key, `${this.#field} key`, scope);
  }

  write(draft: DraftState): void {
    draft.deleteKey(this.#field, this.#key);
  }

  path(): string {
    return `${this.#field}.${this.#key}`;
  }

  delta(): unknown {
    return { [this.#field]: this.#key };
  }
}

/** `atomicState(mutator)`: merges what the mutator returns; nothing returned changes nothing. */
export class AtomicMutation implements Mutation {
  readonly operation = "atomic";
  readonly #mutator: (state: object, context: MutationContext) => unknown;

  constructor(scope: ScopeIdentity, mutator: unknown) {
    if (typeof mutator !== "function") wrongType("", "a mutator function", mutator, scope);
    // Any function can be called with these; what it returns is checked when it is written.
    this.#mutator = mutator as (state: object, context: MutationContext) => unknown;
  }

  compute(state: object, context: MutationContext): unknown {
    return this.#mutator(state, context);
  }

  write(draft: DraftState, computed: unknown): void {
    if (computed === undefined || computed === null) return;
    merge(draft, fieldsOf(computed, draft.scope));
  }
}
