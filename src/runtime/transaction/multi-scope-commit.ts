/**
 * Saves several scopes of an exclusive section together: those of a transaction, or of a dialect's
 * turn.
 *
 * Invariants
 *  J1  Nothing is changed in memory before the store returns its results. A refused change is never
 *      made, and the scope adopts the store's record.
 *  J2  After the section is revoked nothing is changed any more. If the write was under way its
 *      outcome is unknown, and every scope in it reads the store before it continues.
 *  J3  Subscribers receive the changes when all scopes show them.
 *  J4  A stored change is shown, also when the record found in place of another cannot be read;
 *      then the outcome of the whole is unknown.
 */
import { foundIn } from "../../../actors/scope/save-answer.ts";
import { DraftState } from "../../../actors/state/draft-state.ts";
import { causeHere } from "../../../actors/scope/cascade.ts";
import { CommitUnknownError, isHoldfastError } from "../../../actors/errors.ts";
import type { Call, Outcome } from "../../../actors/scope/mailbox.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { committedChange } from "../../../actors/scope/commit-batch.ts";
import { confirm } from "../../../actors/scope/commit.ts";
import { countSave } from "../../../actors/scope/counters.ts";
import type { CommitInfo, JsonObject } from "../../../actors/protocol.ts";
import type { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { applyMutation } from "../../../actors/scope/apply-mutation.ts";
import { SAVES, tracedSave } from "../../../actors/scope/trace.ts";
import { sizeBytes } from "../../../actors/state/size.ts";
import type { ScopeWrite, WriteResult } from "../../stores/contract.ts";
import type { ResidentScope } from "../resident-scope.ts";

/** The part of one scope in a save. */
export interface Part {
  readonly scope: ResidentScope;
  /** `null`: the record is deleted. */
  readonly mutation: Mutation | null;
  readonly outcome: Outcome;
  /** The state from now on. */
  readonly next: object | undefined;
  readonly commit: CommitInfo;
  /** The call that made it, when its code may have to run again. */
  readonly entry?: Call;
  /** What completes its draft: the timers of the scope. */
  readonly settle?: NonNullable<Mutation["settle"]>;
}

/** Options of a save. */
export interface CommitTogetherOptions {
  /** All or none. */
  readonly atomic: boolean;
  /** Scopes that were only read: their versions are verified with the save. */
  readonly read?: readonly ResidentScope[];
  /** Part of every change. */
  readonly meta?: JsonObject | undefined;
}

/**
 * Saves parts of the scopes of a section. Resolves to the scopes whose record is newer; the others
 * are saved unless `atomic` is set. Rejects with what the store threw.
 */
export async function saveTogether(
  section: ExclusiveSection,
  parts: readonly Part[],
  { atomic, read = [], meta }: CommitTogetherOptions,
): Promise<ResidentScope[]> {
  const durable = parts.filter(({ scope }) => isDurable(scope));
  const nexts = new Map(durable.map(({ scope, next }) => [scope, next ?? null]));
  const scopes = [...nexts.keys(), ...read];
  const results = await send(section, durable, { atomic, read, meta });
  const stale = scopes.filter((_, index) => results[index]?.ok === false);
  for (const { settings } of stale) settings.counters.conflicts += 1;
  const isRefused = atomic && stale.length > 0;
  const failures = scopes.flatMap((scope, index) => {
    const result = results[index];
    const next = nexts.get(scope);
    if (result === undefined || (result.ok && (isRefused || next === undefined))) return [];
    return adopted(scope, result, result.ok ? (next ?? null) : null);
  });
  const kept = isRefused ? [] : parts.filter(({ scope }) => !stale.includes(scope));
  confirmAll(kept, meta);
  const [failure] = failures;
  if (failure === undefined) return stale;
  // Some parts are stored, whatever was found in place of the others.
  throw kept.length > 0 ? new CommitUnknownError({ cause: failure.error }) : failure.error;
}

async function send(
  section: ExclusiveSection,
  parts: readonly Part[],
  { atomic, read, meta }: Required<CommitTogetherOptions>,
): Promise<WriteResult[]> {
  // The caller has checked that they share a store.
  const [store] = [...parts.map(({ scope }) => scope), ...read].map(({ backing }) => backing);
  if (store === undefined || store === null) return section.during(Promise.resolve([]));
  const writes = parts.flatMap((part) => writeOf(part, meta));
  const checks = read.map(({ key, version: expectedVersion }) => ({ key, expectedVersion }));
  const owners = new Set<unknown>(parts.map(({ scope }) => scope.backing));
  const together = (): Promise<WriteResult[]> => store.together(writes, { atomic, owners, checks });
  const request = SAVES.hasSubscribers ? tracedTogether.bind(null, parts, together) : together;
  try {
    return await (writes.length > 0 ? section.writing(request) : section.during(request()));
  } catch (cause) {
    const isUnknown = section.ended || isHoldfastError(cause, "COMMIT_UNKNOWN");
    if (writes.length === 0 || !isUnknown) throw cause; // Checks write nothing.
    for (const { scope } of parts) scope.stale = true;
    throw new CommitUnknownError({ scope: parts[0]?.scope.identity, cause });
  }
}

/** Traces a save of several scopes, in the name of the first. */
function tracedTogether(
  parts: readonly Part[],
  request: () => Promise<WriteResult[]>,
): Promise<WriteResult[]> {
  const [first] = parts;
  if (first === undefined) return request();
  const sizes = parts.map(({ next }) => (next === undefined ? 0 : sizeBytes(next)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const known = { operation: "transaction", batchSize: parts.length, bytes };
  return tracedSave(first.scope, known, request);
}

/** Lets a scope adopt the store's record; on a failure the scope reads the store again. */
function adopted(
  scope: ResidentScope,
  result: WriteResult,
  next: object | null,
): { readonly error: unknown }[] {
  try {
    const answer = scope.backing?.answer(result, next);
    if (answer?.ok === false) scope.take(foundIn(answer));
    return [];
  } catch (error) {
    scope.stale = true;
    return [{ error }];
  }
}

/** True for a scope whose changes count only after they are stored. */
export function isDurable(scope: ResidentScope): boolean {
  return scope.kind.durability === "commit" && scope.backing !== null;
}

/**
 * The part of a scope that a mutation changes, or leaves unchanged. Throws for an invalid change.
 */
export function changedPart(scope: ResidentScope, mutation: Mutation, computed?: unknown): Part {
  const { draft, identity, settings, exists } = scope;
  const scratch = new DraftState(draft.expose(), identity);
  // A subscriber may come before the announcement, which needs the patches.
  const target = { draft: scratch, settings, savesPatches: true, listening: true };
  const outcome = applyMutation(target, mutation, computed);
  if (outcome.error !== null) throw outcome.error.thrown;
  const version = scope.version + 1;
  const timestamp = settings.clock.now();
  const commit: CommitInfo = {
    version,
    patches: outcome.patches ?? [],
    operations: ["update"],
    ...(settings.history && {
      created: !exists,
      changes: [committedChange(mutation, outcome, { version, timestamp })],
    }),
  };
  return { scope, mutation, outcome, next: scratch.expose(), commit };
}

/** The part of a scope whose record is deleted. */
export function deletedPart(scope: ResidentScope): Part {
  const outcome = { changed: true, error: null, patches: null, inverse: null, computed: undefined };
  const commit: CommitInfo = { version: scope.version + 1, patches: [], operations: ["delete"] };
  return { scope, mutation: null, outcome, next: undefined, commit };
}

function writeOf({ scope, next, commit }: Part, meta: JsonObject | undefined): ScopeWrite[] {
  const { key, version: expectedVersion, backing } = scope;
  if (next === undefined)
    return [
      backing?.deletion(expectedVersion, commit.version) ??
        ({ key, expectedVersion, version: commit.version, state: undefined } as const),
    ];
  const changes = commit.changes?.map((change) => ({ ...change, meta }));
  const info = { ...commit, ...(changes && { changes }) };
  return backing === null ? [] : [backing.write(next, expectedVersion, info)];
}

/** All scopes show the changes before a subscriber receives them (J3). */
function confirmAll(parts: readonly Part[], meta: JsonObject | undefined): void {
  const before = new Map(parts.map(({ scope }) => [scope, scope.draft.expose()]));
  for (const { scope, mutation, outcome, next, commit, entry = null } of parts) {
    const state = next ?? scope.initial;
    confirm(scope, { version: commit.version, exists: next !== undefined, state });
    scope.settings.counters.mutations += 1;
    if (isDurable(scope)) countSave(scope.settings.counters, 1);
    scope.noted(mutation ?? "delete", entry, outcome);
  }
  const cause = causeHere();
  for (const { scope, mutation, outcome } of parts) {
    if (mutation === null) {
      scope.committed(cause);
      const gone = before.get(scope) ?? {};
      scope.announceState({ operation: "delete", origin: "local", before: gone, cause });
    } else {
      if (scope.listening) scope.announce(mutation, outcome, { cause, options: meta && { meta } });
      scope.committed(cause);
    }
  }
}
