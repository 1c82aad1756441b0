/**
 * A change of a scope that a client asks for: with a condition on the version, and with the state
 * and the version that it led to.
 *
 *  C1  The condition is tested in the mailbox, on the version to which the change is applied: all
 *      changes that were called before count, also those that are saved with it.
 *  C2  A call resolves to its own state and version, whatever is called after it. A repeat of an
 *      `Idempotency-Key`, which changes nothing, gives the present ones; no condition refuses it.
 *  C3  A condition that fails, and a change that is none, are verified at the store.
 */
import type { Mutation } from "../../actors/scope/mutation.ts";
import { WrappedMutation } from "../../actors/scope/wrapped-mutation.ts";
import { nextState } from "../../actors/scope/recipe-result.ts";
import type { DraftState } from "../../actors/state/draft-state.ts";
import type { ResidentScope } from "../runtime/resident-scope.ts";
import type { Precondition, Versioned } from "./precondition.ts";
import { HttpProblem } from "./problem.ts";
import type { NextState } from "./state-patch.ts";

/** A state with its version. */
export interface Current {
  readonly version: number;
  readonly state: object;
}

/** What is asked of a scope. */
export interface Asked {
  readonly precondition: Precondition | undefined;
  /** The `Idempotency-Key`. */
  readonly once: string | undefined;
}

/** Changes a scope by a patch. */
export function patchScope(scope: ResidentScope, next: NextState, asked: Asked): Promise<Current> {
  return changeScope(scope, patching(next), asked);
}

/** Makes another change of a scope. */
export async function changeScope(
  scope: ResidentScope,
  mutation: Mutation,
  { precondition, once }: Asked,
): Promise<Current> {
  const checked = new CheckedMutation(mutation, scope, precondition);
  const options = once === undefined ? {} : { once };
  await scope.through(checked, (work) => scope.submit(work, options), scope);
  return checked.made ?? { version: scope.version, state: scope.state };
}

/** Throws 412 unless a scope fits. */
export function checkPrecondition(precondition: Precondition | undefined, scope: Versioned): void {
  if (precondition === undefined || precondition(scope)) return;
  const detail = `the scope has version ${scope.version}`;
  throw new HttpProblem(412, "PRECONDITION_FAILED", detail);
}

/** True when a scope has a record that has not expired. */
export function hasRecord({ exists, overdue }: ResidentScope): boolean {
  return exists && !overdue;
}

function patching(next: NextState): Mutation {
  return {
    operation: "patch",
    write: (draft) => draft.adopt(nextState(next(draft.expose()))),
  };
}

/** See the head of this file. */
class CheckedMutation extends WrappedMutation {
  readonly verifies = true;
  made: Current | null = null;
  readonly #scope: ResidentScope;
  readonly #precondition: Precondition | undefined;
  #version: number | undefined;

  constructor(inner: Mutation, scope: ResidentScope, precondition: Precondition | undefined) {
    super(inner);
    this.#scope = scope;
    this.#precondition = precondition;
  }

  override write(draft: DraftState, computed: unknown, version?: number): void {
    this.#version = version;
    this.made = null;
    // Absent when the change, which met its condition, is made again on another state.
    if (version !== undefined) this.#check(version);
    super.write(draft, computed, version);
  }

  settle(draft: DraftState, computed: unknown): void {
    this.inner.settle?.(draft, computed);
    if (this.#version === undefined) return;
    this.made = { version: this.#version + Number(draft.changed), state: draft.expose() };
  }

  #check(version: number): void {
    const scope = this.#scope;
    // A change that is saved with this one makes the record.
    const exists = hasRecord(scope) || version > scope.version;
    checkPrecondition(this.#precondition, { version, exists });
  }
}
