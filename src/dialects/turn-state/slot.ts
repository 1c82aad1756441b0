/** One persisted scope of a turn: its key, what was found under it, and its change. */
import { ConcurrentModificationError, CorruptStateError } from "../../../actors/errors.ts";
import { isPlainObject, typeName } from "../../../actors/state/kind.ts";
import type { JsonObject, ScopeIdentity } from "../../../actors/protocol.ts";
import { MergeConflict, same } from "./merge.ts";
import type { TurnPolicy } from "./policy.ts";
import type { Found, Swap, Vault } from "./vault.ts";
import { edited, Working, type Edit } from "./working.ts";

const NOTHING: Found = { value: undefined, exists: false, stamp: undefined };

/** One document of a turn. */
export class Slot {
  readonly key: string;
  readonly identity: ScopeIdentity;
  readonly working: Working = new Working();
  /** The turn deletes the document at its end. */
  #isDeleted = false;
  #found: Found = NOTHING;
  readonly #policy: TurnPolicy;

  constructor(type: string, key: string, policy: TurnPolicy) {
    this.key = key;
    this.identity = Object.freeze({ type, id: key });
    this.#policy = policy;
  }

  /** Removes the document at the end of the turn. */
  delete(): void {
    this.working.clear();
    this.#isDeleted = true;
  }

  /** Starts from what was found. Throws the error of `checkFound`. */
  start(found: Found): void {
    this.#found = found;
    this.working.confirm(recordOf(found));
  }

  /** The change to store, or `null`. Throws `StateSerializationError`. */
  change(): Swap | null {
    const edit = this.#edit();
    const deletes = this.#deletes(edit);
    if (deletes ? !this.#found.exists : edit.size === 0) return null;
    const next = deletes ? undefined : edited(this.working.base, edit);
    return { key: this.key, found: this.#found, next, edit };
  }

  /** A change was stored. */
  stored(found: Found, change: Swap): void {
    this.#found = found;
    if (change.next === undefined) this.working.reset(this.#policy.deleteThenSet);
    else this.working.confirm(recordOf(found));
    this.#isDeleted = false;
  }

  /**
   * Applies the turn's changes to a document that another writer stored; throws when both changed
   * the same path.
   */
  rebase(found: Found, attempts: number): void {
    const theirs = recordOf(found);
    const edit = this.#edit();
    try {
      // A deletion is a change of everything.
      if (this.#deletes(edit) && found.exists && !same(this.working.base, theirs))
        throw new MergeConflict("");
      this.working.rebase(edit, theirs);
    } catch (cause) {
      if (!(cause instanceof MergeConflict)) throw cause;
      throw this.conflict(cause.path, attempts);
    }
    this.#found = found;
  }

  /** The error that names the path which this turn and another one changed. */
  conflict(path: string, attempts: number): ConcurrentModificationError {
    const fields = { attempts, expectedVersion: 0, actualVersion: 0 };
    const error = new ConcurrentModificationError(fields, { scope: this.identity });
    const where = path === "" ? "the document" : `"${path}"`;
    const { type, id } = this.identity;
    // A document has no meaningful version; the path says more.
    error.message = `${where} of ${type} ${id} was changed by another turn too; it was not saved`;
    return Object.assign(error, { path });
  }

  #edit(): Edit {
    return this.working.edit(this.#policy.values, this.identity);
  }

  #deletes(edit: Edit): boolean {
    if (!this.#isDeleted) return false;
    if (this.#policy.deleteThenSet === "lose") return true;
    return Object.keys(edited(this.working.base, edit)).length === 0;
  }
}

/** The state with which a turn continues; `onCorrupt` decides for a damaged document. */
export async function checkFound(
  found: Found,
  slot: Slot,
  vault: Vault,
  policy: TurnPolicy,
): Promise<Found> {
  const corrupt = found.corrupt ?? shapeError(found, slot, vault);
  if (corrupt === undefined) return found;
  if (policy.onCorrupt === "reset") return { ...found, value: undefined, corrupt };
  if (policy.onCorrupt === "throw" || vault.setAside === undefined) throw corrupt;
  const location = await vault.setAside(slot.key, found);
  policy.logger.warn("a damaged document was set aside", { scope: slot.identity, location });
  const [again = NOTHING] = await vault.find([slot.key], null);
  return again;
}

/** A document is a record or nothing; the original stores `null` for nothing. */
function shapeError(found: Found, slot: Slot, vault: Vault): CorruptStateError | undefined {
  const { value } = found;
  if (value === undefined || value === null || isPlainObject(value)) return undefined;
  const reason = `it is a JSON ${typeName(value)} and not an object`;
  const fields = { location: vault.locate(slot.key), reason };
  return new CorruptStateError(fields, { scope: slot.identity });
}

function recordOf({ value }: Found): JsonObject {
  // The shape was checked when the document was found.
  return isPlainObject(value) ? value : {};
}
