/**
 * The exclusive sections of one store object: leases in rows, each with a token that goes with
 * every commit of its key.
 *
 * Invariants
 *  L1  Sections of one key and object queue here, so that they keep their order and only one polls.
 *  L2  A key has a token here from when its lease was acquired until its section ends, also when
 *      the lease is lost: then its commits are conflicts.
 */
import { randomUUID } from "node:crypto";
import { hostClock, monotonic } from "../../../actors/time/clock.ts";
import type { ExclusiveLease, ExclusiveWait } from "../../../actors/protocol.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import { createTurns, leasedTurn, type Section, type Turns } from "../shared/exclusive-lease.ts";
import type { PostgresCalls } from "./calls.ts";
import type { PostgresStatement } from "./connection.ts";
import type { Statements } from "./sql.ts";

/** The leases of one store object; see the head of this file. */
export class PostgresLeases {
  readonly #calls: PostgresCalls;
  readonly #statements: Statements;
  readonly #tokens = new Map<string, string>();
  readonly #sections: Turns = createTurns(hostClock);

  constructor(calls: PostgresCalls, statements: Statements) {
    this.#calls = calls;
    this.#statements = statements;
  }

  /** The token of the section of a key, if this object has one. */
  tokenOf(key: string): string | undefined {
    return this.#tokens.get(key);
  }

  /** Runs `section` under a lease of `key`. */
  run<T>(key: string, ttlMs: number, section: Section<T>, wait?: ExclusiveWait): Promise<T> {
    const since = monotonic(hostClock);
    const token = randomUUID();
    const { lease, renew: extend, release: end } = this.#statements;
    // They fail as a read does: they change no record, so nothing is in doubt.
    const ask = async (statement: PostgresStatement, ...more: number[]): Promise<boolean> => {
      const rows = await this.#calls.read((session) =>
        session.query(statement, [toAsciiKey(key), token, ...more, session.patience()]),
      );
      return rows.length > 0;
    };
    const leased = (turn: ExclusiveLease): Promise<T> => {
      // The turn lasts as long as the wait and the lease (L1).
      const inTurn = async (work: () => Promise<boolean>): Promise<boolean> => {
        await turn.renew();
        return work();
      };
      const take = (): Promise<boolean> =>
        inTurn(async () => {
          if (!(await ask(lease, ttlMs))) return false;
          this.#tokens.set(key, token);
          return true;
        });
      const renew = (): Promise<boolean> => inTurn(() => ask(extend, ttlMs));
      const release = (): Promise<unknown> => {
        if (this.#tokens.get(key) === token) this.#tokens.delete(key);
        return ask(end);
      };
      return leasedTurn(
        { ...wait, key, ttlMs, clock: hostClock, since, take, renew, release },
        section,
      );
    };
    return this.#sections.run(key, ttlMs, leased, wait);
  }
}
