/** What `history`, `at`, `rewind`, `undo` and `redo` of a scope do. */
import { types } from "node:util";
import { StateTypeError } from "../../actors/errors.ts";
import type { Mutation } from "../../actors/scope/mutation.ts";
import { refuseUnknown } from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import type { DraftState } from "../../actors/state/draft-state.ts";
import type { Clock, JsonObject, ScopeIdentity } from "../../actors/protocol.ts";
import { Past, type PastScope, type Present } from "./past.ts";
import type { HistoryEntry, HistoryOptions } from "./scope-types.ts";
import { type Restored, UndoLine } from "./undo-line.ts";

/** A scope that is sent back. */
interface PastOwner extends PastScope {
  readonly version: number;
}

type Find = (past: Past, present: Present) => Promise<Restored | undefined>;

/** A change to a state of the past; `find` reads it for the state that is then current. */
class PastMutation implements Mutation {
  readonly operation: "rewind" | "undo" | "redo";
  readonly first = true;
  readonly verifies = true;
  readonly #scope: PastOwner;
  readonly #find: Find;
  #historyNote: JsonObject | undefined;

  constructor(operation: PastMutation["operation"], scope: PastOwner, find: Find) {
    this.operation = operation;
    this.#scope = scope;
    this.#find = find;
  }

  compute(state: object): Promise<Restored | undefined> {
    return this.#find(new Past(this.#scope), { state, version: this.#scope.version });
  }

  write(draft: DraftState, computed: unknown): void {
    const restored = computed as Restored | undefined; // `compute` is its only source.
    this.#historyNote = restored?.historyNote;
    if (restored !== undefined) draft.adopt(restored.state);
  }

  historyNote(): JsonObject | undefined {
    return this.#historyNote;
  }
}

/** `rewind(when)`. */
export class RewindMutation extends PastMutation {
  constructor(identity: ScopeIdentity, scope: PastOwner, when: number | Date) {
    const { now, time } = momentOf(identity, scope.settings.clock, when);
    super("rewind", scope, (past, present) => past.at(time, present, now));
  }
}

/** `undo()`. */
export function undoMutation(scope: PastOwner): Mutation {
  return new PastMutation("undo", scope, (past, present) => new UndoLine(past).undone(present));
}

/** `redo()`. */
export function redoMutation(scope: PastOwner): Mutation {
  return new PastMutation("redo", scope, (past, present) => new UndoLine(past).redone(present));
}

/** A checked version or time, and the time of the call. */
export function momentOf(
  scope: ScopeIdentity,
  clock: Clock,
  when: unknown,
): { readonly now: number; readonly time: number | Date } {
  const now = clock.now();
  if (types.isDate(when)) {
    const time = when.getTime();
    if (time >= 0 && time <= now) return { now, time: new Date(time) };
    throw new RangeError("a time of the past must be a valid date, not before 1970 nor after now");
  }
  if (typeof when !== "number") {
    const fields = { path: "", expected: "a version or a Date", received: typeName(when) };
    throw new StateTypeError(fields, { scope });
  }
  if (Number.isSafeInteger(when) && when >= 0) return { now, time: when };
  throw new RangeError(`a version must be a whole number, 0 or more, received ${when}`);
}

const KNOWN = ["before", "after", "limit"] satisfies readonly (keyof HistoryOptions)[];

/** The changes of a scope, newest first; `read` waits for those under way. */
export async function* changesOf(
  scope: PastOwner,
  options: HistoryOptions,
  read: () => Promise<unknown>,
): AsyncGenerator<HistoryEntry, void, undefined> {
  const { before = Infinity, after = 0, limit = Infinity } = checked(options);
  await read();
  let left = limit;
  // From the newest that is stored: those up to the version just read may be removed already.
  for await (const change of new Past(scope).backwards(before, after)) {
    if (left <= 0) return;
    left -= 1;
    const { version, timestamp, operation, patches, inversePatches, meta } = change;
    const entry = { version, timestamp, operation, patches, inversePatches };
    yield Object.freeze(meta === undefined ? entry : { ...entry, meta });
  }
}

function checked(options: HistoryOptions): HistoryOptions {
  refuseUnknown("history", options, KNOWN);
  for (const name of KNOWN) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (typeof value !== "number")
      throw new TypeError(`${name} must be a number, received ${typeName(value)}`);
    if (!(value >= 0) || (value !== Infinity && !Number.isInteger(value)))
      throw new RangeError(`${name} must be a whole number, 0 or more, received ${value}`);
  }
  return options;
}
