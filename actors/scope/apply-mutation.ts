/**
 * Applies one mutation to a draft and tells what it did: changed, nothing, or an error and nothing.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { Checks } from "./validation.ts";
import { equal } from "../state/equal.ts";
import type { Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import { beginWriting, endWriting } from "./writing.ts";

/** Where a mutation is applied. */
export interface WriteTarget {
  readonly draft: DraftState;
  readonly settings: ScopeSettings;
  /** Patches are made. */
  readonly recording: boolean;
  /** What undoes the patches is made, too: the change is going to be announced. */
  readonly listening: boolean;
}

// Shared, so that each of many waiting calls does not keep an outcome of its own.
const UNCHANGED: Outcome = Object.freeze({
  changed: false,
  error: null,
  patches: null,
  inverse: null,
  computed: undefined,
});
const CHANGED: Outcome = Object.freeze({ ...UNCHANGED, changed: true });

/** Writes and checks; on an error the draft is as it was. */
export function applyMutation(target: WriteTarget, mutation: Mutation, computed: unknown): Outcome {
  const { draft, settings } = target;
  const checks = settings.checks?.perChange === true ? settings.checks : null;
  // Checks can refuse what is written already, so they need a state to go back to.
  const before = checks === null ? null : draft.expose();
  draft.begin(target.recording, target.listening);
  beginWriting(draft.scope, before);
  try {
    mutation.write(draft, computed);
    if (checks !== null && before !== null && draft.changed) checkChange(draft, before, checks);
  } catch (thrown) {
    if (before !== null) draft.reset(before);
    return failed(thrown);
  } finally {
    endWriting();
  }
  const { changed, patches, inverse } = draft;
  if (patches === null && computed === undefined) return changed ? CHANGED : UNCHANGED;
  draft.begin(false); // Lets go of the patches: an idle scope would keep some 500 bytes of them.
  return { changed, error: null, patches, inverse, computed };
}

/** The outcome of a mutation that threw. */
export function failed(thrown: unknown): Outcome {
  return { changed: false, error: { thrown }, patches: null, inverse: null, computed: undefined };
}

function checkChange(draft: DraftState, before: object, checks: Checks): void {
  const fill = checks.fill(draft.expose(), draft.scope, before);
  for (const [field, value] of fill) draft.set(field, value);
  // A dropped field whose default was its value is no change at all.
  if (fill.length > 0 && equal(draft.expose(), before)) draft.reset(before);
  checks.limit(draft.expose(), draft.scope);
}
