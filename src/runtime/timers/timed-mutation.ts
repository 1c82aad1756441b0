/**
 * A mutation of a scope with timers: its code can set timers, which take effect with its change.
 *
 * Invariants
 *  M1  Timers of a change are notes in the state that is saved (`TimerNotes`): both are one save. A
 *      run that is not saved sets none; what its hints lead to is not there.
 *  M2  A change of nothing makes no version, so its timers are stored after it was verified, and
 *      before the call resolves. One that was a change when it resolved, and is made again on a
 *      state where it is none, is saved for its timers.
 *  M3  The first change after a deletion notes the version of the tombstone (L1 of `ledger.ts`).
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { MutationContext } from "../../../actors/protocol.ts";
import { type Mutation, whenDone } from "../../../actors/scope/mutation.ts";
import { WrappedMutation } from "../../../actors/scope/wrapped-mutation.ts";
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { TimerNotes } from "../../../actors/state/extras.ts";
import type { Schedule } from "../../../actors/timing.ts";
import { residentOf } from "../handle.ts";
import type { TimerCaller } from "../timer-types.ts";
import { bringUpToDate, type Timed, type TimerBook, TIMERS_MAX } from "./book.ts";
import { type Row, rowOf, sinceOf } from "./ledger.ts";
import { planOf, type TimerPlan } from "./plan.ts";

/** At so many notes they are moved to the ledger before more are added. */
const NOTES_MAX = 64;

/** A context whose `schedule` collects timers. */
export function collecting(context: MutationContext, schedule: Schedule): MutationContext {
  return {
    schedule,
    attempt: context.attempt,
    get signal() {
      return context.signal;
    },
  };
}

/** The refusal of a timer of a scope that the recipe does not change. */
export function otherScope(): TypeError {
  return new TypeError("schedule sets timers of the scopes that its recipe changes, and no others");
}

/** Reads the arguments of `schedule` in a mutator of `scope`. */
export function planFor(book: TimerBook, scope: Timed, given: readonly unknown[]): TimerPlan {
  const { identity, kind } = scope;
  // A kind of such a scope has timers.
  const parts = { identity, timers: kind.timers ?? {}, now: book.port.clock.now() };
  return planOf(parts, given);
}

/** Makes the rows of timers, and their hints. */
export async function prepared(
  book: TimerBook,
  scope: Timed,
  plans: readonly TimerPlan[],
): Promise<Row[]> {
  const since = sinceOf(scope.base);
  const now = book.port.clock.now();
  const rows = await Promise.all(plans.map((plan) => rowOf(plan, since, now)));
  const isLong = (scope.base.notes?.set?.length ?? 0) >= NOTES_MAX;
  if (isLong && scope.kind.durability === "commit") await book.compact(scope);
  const keys = new Set((await book.timers(scope)).rows.keys());
  for (const { key } of rows) keys.add(key);
  if (keys.size > TIMERS_MAX) throw tooMany(keys.size);
  await book.putHints(scope, rows);
  return rows;
}

/** The refusal of more timers. */
export function tooMany(count: number): RangeError {
  return new RangeError(`a scope has at most ${TIMERS_MAX} timers, this would be ${count}`);
}

/** The notes of a state that is saved with these timers. */
export function notesWith(
  scope: Timed,
  present: TimerNotes | undefined,
  rows: readonly Row[],
): TimerNotes | undefined {
  const born = bornOf(scope, present);
  const added = scope.kind.durability === "volatile" ? [] : rows;
  if (added.length === 0) return born === present?.born ? present : bornAt(born, present);
  const seq = Math.max(present?.seq ?? 0, born ?? 0) + 1;
  const keys = new Set(added.map(({ key }) => key));
  // What `ledger.ts` reads.
  const earlier = (present?.set ?? []) as readonly (readonly [number, Row])[];
  const open = earlier.filter(([each, { key }]) => each > scope.applied && !keys.has(key));
  const set = [...open, ...added.map((row) => Object.freeze([seq, row] as const))];
  return bornAt(born, { seq, set: Object.freeze(set) });
}

/** The version of the tombstone on which the record was, or is, made. */
function bornOf({ base }: Timed, present: TimerNotes | undefined): number | undefined {
  if (present?.born !== undefined) return present.born;
  return base.exists || base.version === 0 ? undefined : base.version;
}

function bornAt(born: number | undefined, notes: TimerNotes | undefined): TimerNotes {
  return Object.freeze({ ...notes, ...(born !== undefined && { born }) });
}

/** See the head of this file. */
export class TimedMutation extends WrappedMutation {
  readonly #scope: Timed;
  readonly #book: TimerBook;
  /** Of the last run. */
  #rows: readonly Row[] = [];
  /** Of all runs. */
  readonly #made: Row[] = [];
  /** Those of the last run are not in its change (M2). */
  #isApart = false;
  #isResolved = false;

  constructor(inner: Mutation, scope: Timed, book: TimerBook) {
    super(inner);
    this.#scope = scope;
    this.#book = book;
  }

  settle(draft: DraftState, computed: unknown): void {
    this.inner.settle?.(draft, computed);
    const isSaved = draft.changed || (this.#isResolved && this.#rows.length > 0);
    this.#isApart = !isSaved || this.#scope.kind.durability === "volatile";
    if (!isSaved) return;
    const present = draft.extras?.timers;
    const notes = notesWith(this.#scope, present, this.#rows);
    if (notes !== undefined && notes !== present) draft.keep({ ...draft.extras, timers: notes });
  }

  /** The call resolved: stores the timers that are not part of its change; gives the answer. */
  resolved<T>(answer: T, caller: TimerCaller): T | Promise<T> {
    const rows = this.#rows;
    this.#isResolved = true;
    this.#drop(rows);
    if (!this.#isApart || rows.length === 0) return answer;
    return addRows(this.#book, this.#scope, rows, caller).then(() => answer);
  }

  /** The call rejected: there are no timers, unless the outcome is unknown. */
  rejected(error: unknown): void {
    if (!isHoldfastError(error, "COMMIT_UNKNOWN")) this.#drop([]);
  }

  #drop(used: readonly Row[]): void {
    const rows = this.#made.filter((row) => !used.includes(row));
    if (rows.length > 0) void this.#book.dropHints(this.#scope, rows);
  }

  protected override run(state: object, context: MutationContext): unknown {
    this.#rows = [];
    const plans: TimerPlan[] = [];
    const schedule: Schedule = (...given: readonly unknown[]) => {
      const resident: object | undefined = residentOf(given[0]);
      if (resident !== undefined && resident !== this.#scope) throw otherScope();
      const plan = planFor(
        this.#book,
        this.#scope,
        resident === undefined ? given : given.slice(1),
      );
      plans.push(plan);
      return plan.key;
    };
    const made = super.run(state, collecting(context, schedule));
    return whenDone(made, (value) =>
      plans.length === 0 ? value : this.#prepare(plans).then(() => value),
    );
  }

  async #prepare(plans: readonly TimerPlan[]): Promise<void> {
    const rows = await prepared(this.#book, this.#scope, plans);
    this.#made.push(...rows);
    this.#rows = rows;
  }
}

/** Adds timers to the ledger, and removes the hints of those that they replace. */
export async function addRows(
  book: TimerBook,
  scope: Timed,
  rows: readonly Row[],
  caller: TimerCaller,
): Promise<void> {
  const change = (all: Map<string, Row>): Row[] => {
    const before = rows.flatMap(({ key }) => all.get(key) ?? []);
    for (const row of rows) all.set(row.key, row); // Of the life in which it was set.
    return before;
  };
  const replaced = await book.edit(scope, change, () => bringUpToDate(scope, caller));
  void book.dropHints(
    scope,
    replaced.filter(({ stamp }) => !rows.some((row) => row.stamp === stamp)),
  );
}
