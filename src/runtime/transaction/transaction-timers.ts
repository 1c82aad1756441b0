/**
 * The timers that the recipe of a transaction sets, each for the scope that it names.
 *
 * Invariants
 *  T1  Timers of a scope are notes in its record, saved with the transaction, also when the recipe
 *      runs again for one scope later; a scope that is not changed otherwise takes part for them.
 *      If nothing is changed at all, and for volatile scopes, they are stored when the transaction
 *      has ended.
 *  T2  Those of a run that is not saved are not set.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { MutationContext } from "../../../actors/protocol.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import { RecipeMutation } from "../../../actors/scope/recipe.ts";
import type { DraftState } from "../../../actors/state/draft-state.ts";
import { noTimers, type Schedule } from "../../../actors/timing.ts";
import { residentOf } from "../handle.ts";
import type { ResidentScope } from "../resident-scope.ts";
import type { Row } from "../timers/ledger.ts";
import type { TimerPlan } from "../timers/plan.ts";
import {
  addRows,
  collecting,
  notesWith,
  otherScope,
  planFor,
  prepared,
} from "../timers/timed-mutation.ts";
import { TimedScope } from "../timers/timed-scope.ts";
import { changedPart, type Part } from "./multi-scope-commit.ts";

const UPDATE = new RecipeMutation<object>(() => undefined);

/** True for a scope whose timers are part of its record. */
function isNoted({ kind }: ResidentScope): boolean {
  return kind.durability !== "volatile";
}

/** See the head of this file. */
export class TransactionTimers {
  readonly #timed: readonly TimedScope[];
  #plans = new Map<TimedScope, TimerPlan[]>();
  /** The timers of the last run. */
  readonly #rows = new Map<ResidentScope, readonly Row[]>();
  readonly #made: { readonly scope: TimedScope; readonly row: Row }[] = [];
  /** Timers that no part of the last run contains. */
  readonly #apart = new Map<TimedScope, readonly Row[]>();
  #isJoining = false;

  constructor(scopes: readonly ResidentScope[]) {
    this.#timed = scopes.filter((scope) => scope instanceof TimedScope);
  }

  /** The context of a run that begins. */
  begin(context: MutationContext): MutationContext {
    this.#plans = new Map();
    return this.#collecting(context, (scope, plan) => {
      const known = this.#plans.get(scope);
      if (known === undefined) this.#plans.set(scope, [plan]);
      else known.push(plan);
    });
  }

  /** The context of a repetition for one scope, whose timers are those of the first run. */
  again(context: MutationContext): MutationContext {
    return this.#collecting(context, () => undefined);
  }

  /** Makes the hints of the timers of a run. */
  async prepare(): Promise<void> {
    this.#rows.clear();
    this.#apart.clear();
    this.#isJoining = false;
    for (const [scope, plans] of this.#plans) {
      const rows = await prepared(scope.book, scope, plans);
      this.#rows.set(scope, rows);
      this.#apart.set(scope, rows);
      for (const row of rows) this.#made.push({ scope, row });
    }
  }

  /** True when the parts must be made again, because scopes take part for their timers alone. */
  join(parts: readonly Part[]): boolean {
    if (!parts.some(({ outcome }) => outcome.changed)) return false;
    const isAlone = ({ outcome, scope }: Part): boolean =>
      !outcome.changed && isNoted(scope) && (this.#rows.get(scope) ?? []).length > 0;
    this.#isJoining = parts.some(isAlone);
    return this.#isJoining;
  }

  /** The part of a scope whose state becomes `next`, with its timers. */
  part(scope: ResidentScope, next: object): Part {
    const settle = this.#settle(scope);
    if (settle === undefined) return changedPart(scope, UPDATE, next);
    const write: Mutation["write"] = (draft, computed) => UPDATE.write(draft, computed);
    return { ...changedPart(scope, { operation: "update", write, settle }, next), settle };
  }

  /** A recipe that runs again for one scope, with the timers of its part. */
  repeated({ settle }: Part, again: Mutation): Mutation {
    return settle === undefined ? again : new Repeated(again, settle);
  }

  #settle(scope: ResidentScope): Part["settle"] {
    if (!(scope instanceof TimedScope)) return undefined;
    const rows = this.#rows.get(scope) ?? [];
    return (draft: DraftState) => {
      const takesPart = this.#isJoining || !this.#apart.has(scope);
      if (!draft.changed && !(takesPart && rows.length > 0)) return;
      const present = draft.extras?.timers;
      const notes = notesWith(scope, present, rows);
      if (isNoted(scope)) this.#apart.delete(scope);
      if (notes !== undefined && notes !== present) draft.keep({ ...draft.extras, timers: notes });
    };
  }

  /** The transaction is saved, and its section is over. */
  async saved(): Promise<void> {
    for (const [scope, rows] of this.#apart) await addRows(scope.book, scope, rows, scope);
    this.#drop((scope, row) => this.#rows.get(scope)?.includes(row) === true);
  }

  /** The transaction failed. */
  failed(error: unknown): void {
    if (!isHoldfastError(error, "COMMIT_UNKNOWN")) this.#drop(() => false);
  }

  #drop(isUsed: (scope: TimedScope, row: Row) => boolean): void {
    for (const { scope, row } of this.#made)
      if (!isUsed(scope, row)) void scope.book.dropHints(scope, [row]);
  }

  #collecting(
    context: MutationContext,
    collect: (scope: TimedScope, plan: TimerPlan) => void,
  ): MutationContext {
    if (this.#timed.length === 0) return context;
    const schedule: Schedule = (...given: readonly unknown[]) => {
      const [named, ...rest] = given;
      const resident = residentOf(named);
      if (resident === undefined)
        throw new TypeError("with several scopes, schedule takes the scope of the timer first");
      const scope = this.#timed.find((each) => each === resident);
      if (scope === undefined) {
        if (resident instanceof TimedScope) throw otherScope();
        return noTimers();
      }
      const plan = planFor(scope.book, scope, rest);
      collect(scope, plan);
      return plan.key;
    };
    return collecting(context, schedule);
  }
}

/** A mutation with the timers of a part. */
class Repeated extends WrappedMutation {
  readonly #also: NonNullable<Mutation["settle"]>;

  constructor(again: Mutation, also: NonNullable<Mutation["settle"]>) {
    super(again);
    this.#also = also;
  }

  settle(draft: DraftState, computed: unknown): void {
    this.inner.settle?.(draft, computed);
    this.#also(draft, computed);
  }
}
