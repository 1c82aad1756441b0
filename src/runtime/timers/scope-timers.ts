/** `schedule`, `unschedule` and `timers` of a scope. */
import { isMisuse } from "../../../actors/realm.ts";
import type { Timer } from "../scope-types.ts";
import type { ScheduleArguments, Timekeeper, TimerCaller } from "../timer-types.ts";
import { bringUpToDate, type Timed, type TimerBook, TIMERS_MAX } from "./book.ts";
import { inOrder, rowOf, sinceOf, timerOf } from "./ledger.ts";
import { timerKey } from "./plan.ts";
import { planFor, tooMany } from "./timed-mutation.ts";

/** See the head of this file. */
export class ScopeTimers implements Timekeeper {
  readonly #book: TimerBook;
  readonly #scope: Timed;

  constructor(book: TimerBook, scope: Timed) {
    this.#book = book;
    this.#scope = scope;
  }

  schedule(caller: TimerCaller, given: ScheduleArguments): Promise<string> {
    return this.#run(async () => {
      const [book, scope] = [this.#book, this.#scope];
      const plan = planFor(book, scope, given);
      await bringUpToDate(scope, caller);
      const row = await rowOf(plan, sinceOf(scope.base), book.port.clock.now());
      await book.putHints(scope, [row]);
      const replaced = await book
        .edit(
          scope,
          (rows) => {
            const before = rows.get(row.key);
            if (before === undefined && rows.size >= TIMERS_MAX) throw tooMany(rows.size + 1);
            rows.set(row.key, row);
            return before === undefined || before.stamp === row.stamp ? [] : [before];
          },
          () => bringUpToDate(scope, caller),
        )
        .catch((error: unknown) => {
          // After an error of the store an attempt before may have stored it.
          if (isMisuse(error)) void book.dropHints(scope, [row]);
          throw error;
        });
      void book.dropHints(scope, replaced);
      return row.key;
    });
  }

  unschedule(caller: TimerCaller, given: unknown): Promise<boolean> {
    return this.#run(async () => {
      const [book, scope] = [this.#book, this.#scope];
      const key = timerKey(given);
      await bringUpToDate(scope, caller);
      const removed = new Set<string>(); // An edit of unknown outcome finds none in its repetition.
      const row = await book.edit(
        scope,
        (rows) => {
          const before = rows.get(key);
          if (before !== undefined) removed.add(before.stamp);
          rows.delete(key);
          return before;
        },
        () => bringUpToDate(scope, caller),
      );
      if (row !== undefined) void book.dropHints(scope, [row]);
      return removed.size > 0;
    });
  }

  timers(caller: TimerCaller): Promise<Timer[]> {
    return this.#run(async () => {
      await bringUpToDate(this.#scope, caller);
      const { rows } = await this.#book.timers(this.#scope);
      return inOrder(rows.values()).map(timerOf);
    });
  }

  /** All of a call ends before its runtime closes. */
  #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#book.port.calls.run(work);
  }
}
