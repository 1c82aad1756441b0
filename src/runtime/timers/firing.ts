/**
 * Fires the due timers of one scope.
 *
 * Invariants
 *  F1  A handler runs in an exclusive section of the scope, for a timer that is due there and then:
 *      so no two processes run it for one time of a timer, unless one has lost the section.
 *  F2  A timer is removed, or moved to its next time, after its handler has ended and what that did
 *      is stored. If the process ends before, it fires again: at least once.
 *  F3  A timer that was replaced while its handler ran is left as it is.
 *  F4  A handler that throws is run again after `RETRY_MS`, doubled each time up to `RETRY_MAX_MS`,
 *      without end; each failure is logged. A cron timer runs again at its next time, if that is
 *      earlier. One that missed times fires once.
 *  F5  A timer without a handler in this program is left alone.
 *  F6  A section begins no handler any more after `SECTION_MS`: calls that wait for the scope come
 *      before the next section.
 */
import { monotonic } from "../../../actors/time/clock.ts";
import type { HeldScope } from "../scope-types.ts";
import type { ResidentScope } from "../resident-scope.ts";
import { nextTime } from "./cron.ts";
import { inOrder, type Ledger, type Row, timerOf } from "./ledger.ts";
import type { Timed, TimerBook } from "./book.ts";
import type { Hint } from "./timer-keys.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

/** Milliseconds until a failed handler runs again; doubled each time. */
const RETRY_MS = 1_000;
/** Milliseconds in which a section begins the handlers of due timers; the first one always. */
const SECTION_MS = 250;
/** The longest wait between two tries. */
const RETRY_MAX_MS = 3_600_000;
/**
 * Milliseconds for which a hint without a timer stays after it was written: its timer may be on the
 * way to the store.
 */
const GRACE_MS = 600_000;

/** A hint with what its record says. */
export interface FoundHint extends Hint {
  /** Names the handler. */
  readonly name: string;
  /** When it was written; milliseconds since the epoch. */
  readonly made: number;
}

/** Fires what is due in a scope to which `hints` lead; resolves to the hints that stay. */
export async function fireScope<One extends FoundHint>(
  book: TimerBook,
  scope: ResidentScope & Timed,
  hints: readonly One[],
  timeoutMs: number,
): Promise<One[]> {
  const firing = new Firing(book, scope);
  for (let isOver = false; !isOver;)
    isOver = await scope.exclusive((held) => firing.run(held), { timeoutMs });
  const now = book.port.clock.now();
  const stays = ({ stamp, made }: FoundHint): boolean =>
    firing.left.has(stamp) || (!firing.over.has(stamp) && made > now - GRACE_MS);
  // Those of timers that are over are being removed.
  const lost = hints.filter((hint) => !stays(hint) && !firing.over.has(hint.stamp));
  const keys = lost.map(({ key }) => key);
  await Promise.all([...firing.drops, book.eraseHints(scope.kind, keys)]);
  return hints.filter(stays);
}

/** The due timers of one scope, in its section. */
class Firing {
  readonly #book: TimerBook;
  readonly #scope: ResidentScope & Timed;
  /** The stamps of timers that are over. */
  readonly over = new Set<string>();
  /** The stamps of timers that are still set. */
  readonly left = new Set<string>();
  /** The removal of the hints of these and of other timers that are gone. */
  readonly drops: Promise<void>[] = [];
  readonly #tried = new Set<string>();

  constructor(book: TimerBook, scope: ResidentScope & Timed) {
    this.#book = book;
    this.#scope = scope;
  }

  /** Fires due timers; resolves to whether no more are due that were not tried. */
  async run(held: HeldScope<object>): Promise<boolean> {
    await held.flush(); // Notes of a checkpoint scope count when they are stored.
    const { clock } = this.#book.port;
    const tried = this.#tried;
    const end = monotonic(clock) + SECTION_MS;
    const { rows: first, ledger } = await this.#book.timers(this.#scope);
    let rows = first;
    for (let fired = 0; ; fired += 1) {
      const due = inOrder(rows.values()).filter((row) => row.due <= clock.now());
      const next = due.find((row) => this.#handles(row) && !tried.has(row.stamp));
      if (next === undefined) {
        for (const { stamp } of rows.values()) this.left.add(stamp);
        return true;
      }
      if (fired > 0 && monotonic(clock) >= end) return false;
      tried.add(next.stamp);
      rows = await this.#fire(held, next, ledger);
    }
  }

  #handles({ name }: Row): boolean {
    return Object.hasOwn(this.#scope.kind.timers ?? {}, name);
  }

  /** Fires one timer; resolves to all timers after that. */
  async #fire(held: HeldScope<object>, row: Row, known: Ledger): Promise<ReadonlyMap<string, Row>> {
    const next = await this.#try(held, row);
    if (next !== undefined) await this.#book.putHints(this.#scope, [next]);
    const change = (rows: Map<string, Row>): Map<string, Row> => {
      if (rows.get(row.key)?.stamp !== row.stamp) return rows; // F3, or it is `next` already.
      if (next === undefined) rows.delete(row.key);
      else rows.set(row.key, next);
      return rows;
    };
    const refresh = (): Promise<void> => held.refresh().then(() => held.flush());
    const after = await this.#book.edit(this.#scope, change, refresh, known);
    this.over.add(row.stamp);
    const isMoved = next === undefined || after.get(row.key)?.stamp === next.stamp;
    this.drops.push(this.#book.dropHints(this.#scope, isMoved ? [row] : [row, next]));
    return after;
  }

  /** Runs the handler; resolves to what becomes of the timer. */
  async #try(held: HeldScope<object>, row: Row): Promise<Row | undefined> {
    const { clock, logger } = this.#book.port;
    const stamp = randomUUID();
    try {
      await this.#scope.kind.timers?.[row.name]?.(held, timerOf(row));
      await held.flush(); // F2
      if (row.cron === undefined) return undefined;
      const due = await nextTime(row, clock.now());
      return due === undefined
        ? undefined
        : Object.freeze({ ...row, at: due, due, failures: 0, stamp });
    } catch (error) {
      const { identity: scope } = this.#scope;
      const { failures: failed, name, key } = row;
      const failures = failed + 1;
      logger.error("the handler of a timer failed; it runs again", {
        scope,
        name,
        key,
        failures,
        error,
      });
      const waitMs = Math.min(RETRY_MS * 2 ** failed, RETRY_MAX_MS);
      const regular = row.cron === undefined ? undefined : await nextTime(row, clock.now());
      const due = Math.min(clock.now() + waitMs, regular ?? Infinity);
      return Object.freeze({ ...row, due, failures, stamp });
    }
  }
}
