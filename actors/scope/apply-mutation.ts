/**
 * Applies one mutation to a draft and returns its outcome: a change, no change, or an error.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { Checks } from "./validation.ts";
import { equal } from "../state/equal.ts";
import type { Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import { beginWriting, endWriting } from "./writing.ts";

/** The draft to which a mutation is applied, and its checks. */
export interface WriteTarget {
  readonly draft: DraftState;
  readonly settings: ScopeSettings;
  /** The change is going to be announced: its patches and their inverse are recorded. */
  readonly listening: boolean;
  /** A save of the change needs its patches. */
  readonly savesPatches: boolean;
  /** The confirmed version. */
  readonly version?: number;
}

// Shared, so that many waiting calls do not keep one outcome each.
const UNCHANGED: Outcome = Object.freeze({
  changed: false,
  error: null,
  patches: null,
  inverse: null,
  computed: undefined,
});
const CHANGED: Outcome = Object.freeze({ ...UNCHANGED, changed: true });

/**
 * Writes and checks; after an error the draft is unchanged. `unconfirmed` is how many changes the
 * draft has besides the confirmed ones; without it the mutation does not learn the version.
 */
export function applyMutation(
  target: WriteTarget,
  mutation: Mutation,
  computed: unknown,
  unconfirmed?: number,
): Outcome {
  const { draft, settings } = target;
  const checks = settings.checks?.perChange === true ? settings.checks : null;
  const ends = checks !== null || mutation.settle !== undefined;
  // They run after the write, so a refusal needs the state before it.
  const before = ends ? draft.expose() : null;
  const undoable = settings.history || target.listening;
  draft.begin(undoable || target.savesPatches, undoable);
  beginWriting(draft.scope, before);
  try {
    mutation.write(draft, computed, versionOf(target, unconfirmed));
    if (checks !== null && before !== null) checkChange(draft, before, checks);
    mutation.settle?.(draft, computed);
  } catch (thrown) {
    if (before !== null) draft.reset(before);
    return failed(thrown);
  } finally {
    endWriting();
  }
  return outcomeOf(draft, computed);
}

/** The version of the draft, where it is known. */
function versionOf({ version }: WriteTarget, unconfirmed?: number): number | undefined {
  return version === undefined || unconfirmed === undefined ? undefined : version + unconfirmed;
}

function outcomeOf(draft: DraftState, computed: unknown): Outcome {
  const { changed, patches, inverse } = draft;
  if (patches === null && computed === undefined) return changed ? CHANGED : UNCHANGED;
  draft.begin(false); // Frees the patches: some 500 bytes per idle scope.
  return { changed, error: null, patches, inverse, computed };
}

/** The outcome of a mutation that threw. */
export function failed(thrown: unknown): Outcome {
  return { changed: false, error: { thrown }, patches: null, inverse: null, computed: undefined };
}

function checkChange(draft: DraftState, before: object, checks: Checks): void {
  if (!draft.changed) return;
  const fill = checks.fill(draft.expose(), draft.scope, before);
  for (const [field, value] of fill) draft.set(field, value);
  // A dropped field that is filled with the same default is no change.
  if (fill.length > 0 && equal(draft.expose(), before)) draft.reset(before);
  checks.limit(draft.expose(), draft.scope);
}
