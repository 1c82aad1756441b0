/**
 * The compare-and-set loop: saves one change in the caller's store, in an exclusive section.
 *
 *     run the mutator ──▶ nothing new ──▶ false, nothing is saved; with `reread` only when the
 *          ▲     │                        store has that version, else as on a conflict
 *          ▲     └──────▶ persist ──ok──▶ the container adopts the store's version
 *          │                 └──conflict──▶ adopt the store's state, wait 10/20/40 ms ──┐
 *          └────────────────────────────────────────────────────────────────────────────┘
 *
 * Invariants
 *  E1  At most `maxRetries + 1` calls of persist; one that throws is not repeated.
 *  E2  The container changes only by a confirmed save or by the stored state that a conflict
 *      contains.
 *  E3  After the section was revoked the loop does nothing. A later result of the store is ignored;
 *      the call has rejected with `COMMIT_UNKNOWN`.
 *  E4  With `reread` neither "nothing new" nor an error of the mutator is based on a state that the
 *      store has replaced.
 */
import { DraftState } from "../../../actors/state/draft-state.ts";
import type { Outcome } from "../../../actors/scope/mailbox.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { conflictError, isRefused, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import type { JsonObject } from "../../../actors/protocol.ts";
import { type CasBudget, storedState } from "../../../actors/scope/options.ts";
import type { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { outsideTurns } from "../../../actors/scope/reentrancy.ts";
import { applyMutation } from "../../../actors/scope/apply-mutation.ts";
import type { ContainerScope } from "./container.ts";
import { runMutator } from "./lock.ts";
import {
  readAnswer,
  readRecord,
  type CASMutationHint,
  type CASPersist,
  type CASReread,
} from "./persist.ts";

/** What one change needs to be saved. */
export interface Saving {
  readonly mutation: Mutation;
  /** `null`: there is no store, and the container's version grows by one. */
  readonly persist: CASPersist<object> | null;
  /** Absent: the state in this process decides whether there is something to save. */
  readonly reread?: CASReread<object> | undefined;
  readonly hint: CASMutationHint;
  readonly cas: CasBudget;
  /** Part of the event of the change. */
  readonly meta?: JsonObject | undefined;
}

/** The outcome of a change. */
export interface RunWithCASResult<S> {
  /** The state after it. */
  readonly state: Readonly<S>;
  /** False when the result equals the previous state. */
  readonly committed: boolean;
}

interface Prepared {
  readonly outcome: Outcome;
  readonly next: object;
}

/** One change and its save; see the top of this file. */
export class CasRun {
  readonly #scope: ContainerScope;
  readonly #saving: Saving;
  readonly #section: ExclusiveSection;
  #expected = 0;
  #end: RunWithCASResult<object>;

  constructor(scope: ContainerScope, saving: Saving, section: ExclusiveSection) {
    this.#scope = scope;
    this.#saving = saving;
    this.#section = section;
    this.#end = { state: scope.state, committed: false };
  }

  /** Runs until the change is saved or rejected. */
  async run(): Promise<RunWithCASResult<object>> {
    const first = await this.#attempt(1);
    if (!isRefused(first)) return this.#end;
    const { settings, identity } = this.#scope;
    const { cas } = this.#saving;
    const stopped = new AbortController();
    this.#section.revoked.catch(() => stopped.abort());
    const { signal } = stopped;
    const attempt = (count: number): Promise<SaveStep> => this.#attempt(count);
    const last = await retry({ ...settings, cas, first, signal, attempt });
    if (!isRefused(last)) return this.#end;
    const versions = { expectedVersion: this.#expected, actualVersion: this.#scope.version };
    throw conflictError(cas, versions, identity);
  }

  async #attempt(count: number): Promise<SaveStep> {
    let prepared: Prepared | null;
    try {
      prepared = await this.#prepare(count);
    } catch (error) {
      if (await this.#isCurrent()) throw error;
      return "conflict";
    }
    if (prepared === null) return "empty";
    if (prepared.outcome.changed) return this.#save(prepared);
    if (!(await this.#isCurrent())) return "conflict";
    this.#end = { state: prepared.next, committed: false };
    return "empty";
  }

  /** False when the store has another version, which is adopted then (E4). */
  async #isCurrent(): Promise<boolean> {
    const { reread } = this.#saving;
    const scope = this.#scope;
    if (reread === undefined || this.#section.ended) return true;
    const { commits, version } = scope;
    this.#expected = version;
    const found = readRecord(await outsideTurns(() => reread()), scope.identity);
    if (found === undefined || this.#section.ended) return true;
    if (scope.commits !== commits) return false; // A direct commit counts as a conflict.
    if (found.version === version) return true;
    scope.follow(found.state, found.version);
    return false;
  }

  /** Runs the mutator; again when other code committed meanwhile (D2). */
  async #prepare(attempt: number): Promise<Prepared | null> {
    const { mutation } = this.#saving;
    const scope = this.#scope;
    for (;;) {
      if (this.#section.ended) return null;
      scope.sync();
      const { commits } = scope;
      const state = scope.draft.expose();
      const computed = await this.#compute(state, attempt);
      if (scope.commits !== commits) continue;
      const draft = new DraftState(state, scope.identity);
      const outcome = applyMutation({ ...settingsOf(scope), draft }, mutation, computed);
      if (outcome.error !== null) throw outcome.error.thrown;
      return this.#section.ended ? null : { outcome, next: draft.expose() };
    }
  }

  #compute(state: object, attempt: number): Promise<unknown> | undefined {
    const { mutation } = this.#saving;
    if (mutation.compute === undefined) return undefined; // Plain data runs no code.
    return runMutator(this.#section, attempt, (context) => mutation.compute?.(state, context));
  }

  async #save({ outcome, next }: Prepared): Promise<SaveStep> {
    const scope = this.#scope;
    const { commits, version } = scope;
    this.#expected = version;
    const answer = await this.#persist(next);
    // A commit by other code meanwhile is kept, unless the store's result is newer.
    const overtaken = scope.commits !== commits && scope.version >= answer.version;
    if (!answer.ok) {
      if (!overtaken) scope.follow(answer.state, answer.version);
      return "conflict";
    }
    const saved = answer.state === undefined ? next : storedState(answer.state, scope);
    const confirmed = { state: saved, version: answer.version };
    if (!overtaken) scope.confirm(this.#saving, outcome, confirmed);
    this.#end = { state: saved, committed: true };
    return "saved";
  }

  /** Calls the store; rejects when the section is revoked meanwhile (E3). */
  async #persist(next: object): Promise<ReturnType<typeof readAnswer>> {
    const { persist, hint } = this.#saving;
    const expected = this.#expected;
    if (persist === null) return { ok: true, state: undefined, version: expected + 1 };
    const answer = await this.#section.writing(async () =>
      outsideTurns(() => persist(next, expected, hint)),
    );
    return readAnswer(answer, this.#scope.identity);
  }
}

function settingsOf(
  scope: ContainerScope,
): Pick<ContainerScope, "settings" | "savesPatches" | "listening"> {
  const { settings, savesPatches, listening } = scope;
  return { settings, savesPatches, listening };
}
