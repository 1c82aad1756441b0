/**
 * Applies one mutation to a head and tells what it did: changed, nothing, or an error and nothing.
 */
import type { Head } from "../state/draft-state.ts";
import type { Checks } from "./validation.ts";
import { equal } from "../state/equal.ts";
import type { Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import { beginWriting, endWriting } from "./writing.ts";

/** Where a mutation is applied. */
export interface WriteTarget {
  readonly head: Head;
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

/** Writes and checks; on an error the head is as it was. */
export function applyMutation(target: WriteTarget, mutation: Mutation, computed: unknown): Outcome {
  const { head, settings } = target;
  const checks = settings.checks?.perChange === true ? settings.checks : null;
  // Checks can refuse what is written already, so they need a state to go back to.
  const before = checks === null ? null : head.expose();
  head.begin(target.recording, target.listening);
  beginWriting(head.scope, before);
  try {
    mutation.write(head, computed);
    if (checks !== null && before !== null && head.changed) checkChange(head, before, checks);
  } catch (thrown) {
    if (before !== null) head.reset(before);
    return failed(thrown);
  } finally {
    endWriting();
  }
  const { changed, patches, inverse } = head;
  if (patches === null && computed === undefined) return changed ? CHANGED : UNCHANGED;
  head.begin(false); // Lets go of the patches: an idle scope would keep some 500 bytes of them.
  return { changed, error: null, patches, inverse, computed };
}

/** The outcome of a mutation that threw. */
export function failed(thrown: unknown): Outcome {
  return { changed: false, error: { thrown }, patches: null, inverse: null, computed: undefined };
}

function checkChange(head: Head, before: object, checks: Checks): void {
  const fill = checks.fill(head.expose(), head.scope, before);
  for (const [field, value] of fill) head.set(field, value);
  // A dropped field whose default was its value is no change at all.
  if (fill.length > 0 && equal(head.expose(), before)) head.reset(before);
  checks.limit(head.expose(), head.scope);
}
