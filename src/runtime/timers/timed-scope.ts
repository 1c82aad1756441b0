/** A scope of a kind with timers. */
import { after } from "../../../actors/scope/admission.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { Cascade } from "../../../actors/scope/reentrancy.ts";
import { extrasOf } from "../../../actors/state/extras.ts";
import { type ResidentParts, ResidentScope } from "../resident-scope.ts";
import type { Timekeeper, TimerCaller } from "../timer-types.ts";
import type { Timed, TimerBook } from "./book.ts";
import type { LedgerBase } from "./ledger.ts";
import { ScopeTimers } from "./scope-timers.ts";
import { TimedMutation } from "./timed-mutation.ts";

/** See the head of this file. */
export class TimedScope extends ResidentScope implements Timed {
  readonly book: TimerBook;
  applied = 0;
  ledgerVersion = -1;
  #timekeeper: Timekeeper | null = null;

  constructor(parts: ResidentParts, book: TimerBook) {
    super(parts);
    this.book = book;
  }

  /** What its timers depend on, of the confirmed state. */
  get base(): LedgerBase {
    const { overdue, state, version } = this;
    const exists = this.exists && !overdue;
    return { version, exists, notes: exists ? extrasOf(state)?.timers : undefined };
  }

  override get timekeeper(): Timekeeper {
    return (this.#timekeeper ??= new ScopeTimers(this.book, this));
  }

  override mutate(mutation: Mutation, options?: MutationOptions): Promise<boolean> {
    return this.through(mutation, (timed) => super.mutate(timed, options), this);
  }

  /** Submits a mutation of the scope, or of a section of it: it may set timers. */
  override through(
    mutation: Mutation,
    submit: (timed: Mutation) => Promise<boolean>,
    caller: TimerCaller,
  ): Promise<boolean> {
    const timed = new TimedMutation(mutation, this, this.book);
    const call = submit(timed);
    if (mutation.compute === undefined) return call;
    const promise = after(call, (answer) => timed.resolved(answer, caller));
    call.catch((error: unknown) => {
      timed.rejected(error);
      // A stop is intended: a rejection that no caller handles must not end the process.
      if (isHoldfastError(error, "SCOPE_STOPPED")) promise.catch(() => undefined);
    });
    return promise;
  }

  override taken(): void {
    this.applied = 0; // Notes of another life begin at 1 again.
    super.taken();
  }

  /** Timers that were set without a record, or since the last one was deleted. */
  override deletedNothing(isWanted: () => boolean): Promise<void> {
    return this.book.clear(this, async () => {
      await this.reload(isWanted);
      return isWanted() && !this.exists;
    });
  }

  override committed(cause?: Cascade): void {
    const isDeleted = !this.exists; // A state that ends as it is written keeps its timers.
    super.committed(cause);
    if (isDeleted) void this.book.forget(this, this.version);
  }
}
