/**
 * Calls of one store to its server: prepared once, retried while the server is unavailable.
 *
 * Invariants
 *  L1  A call ends within about `timeoutMs`, also when the server is unavailable or hangs.
 *  L2  Nothing is written before the tables were checked; a server that is unavailable until then
 *      leaves nothing in doubt.
 */
import type { Logger } from "../../../actors/protocol.ts";
import type { PostgresConnection, PostgresSession } from "./connection.ts";
import { createJudge, isAnswered, type PostgresNames } from "./errors.ts";
import { type PostgresTables, prepareTables, weakSettings } from "./schema.ts";
import { createRepeat, type RetryUntil } from "../shared/retry-until.ts";

/** What the calls need. */
export interface CallsSettings {
  readonly names: PostgresNames;
  readonly tables: PostgresTables;
  readonly timeoutMs: number;
  readonly migrate: boolean;
  readonly logger: Logger;
}

/** The calls of a store; see the header of this file. */
export class PostgresCalls {
  readonly #settings: CallsSettings;
  readonly #link: PostgresConnection;
  readonly #repeat: RetryUntil;
  #opening: Promise<void> | undefined;
  #isReady = false;
  #isWarned = false;

  constructor(settings: CallsSettings, link: PostgresConnection) {
    const { names, timeoutMs } = settings;
    this.#settings = settings;
    this.#link = link;
    this.#repeat = createRepeat({ timeoutMs, server: names.server, judge: createJudge(names) });
  }

  /** Waits until the tables exist and are checked. */
  async ready(): Promise<void> {
    if (!this.#isReady) await this.#repeat.read((deadline) => this.#open(deadline));
  }

  /** Retries work that changes nothing and has connections of its own. */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    await this.ready();
    return this.#repeat.read(work);
  }

  /** Runs work that changes nothing. */
  async read<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    await this.ready();
    return this.#repeat.read((deadline) => this.#link.run(work, deadline));
  }

  /**
   * Runs an idempotent write; `isRepeat`: an earlier attempt may have taken effect.
   */
  async write<T>(work: (session: PostgresSession, isRepeat: boolean) => Promise<T>): Promise<T> {
    await this.ready();
    return this.#repeat.write((deadline, attempt) =>
      this.#link.run((session) => work(session, attempt > 0), deadline),
    );
  }

  /**
   * Runs an idempotent write as one transaction, which a result of false undoes. It locks its rows
   * no longer than `timeoutMs`, also when this process is suspended.
   */
  transaction(
    work: (session: PostgresSession, isRepeat: boolean) => Promise<boolean>,
  ): Promise<boolean> {
    const idleMs = Math.ceil(this.#settings.timeoutMs);
    const begin =
      "BEGIN ISOLATION LEVEL READ COMMITTED; " +
      `SET LOCAL idle_in_transaction_session_timeout = ${idleMs}; ` +
      `SET LOCAL statement_timeout = ${idleMs}`;
    return this.write(async (session, isRepeat) => {
      let isDone = false;
      try {
        await session.query({ text: begin });
        isDone = await work(session, isRepeat);
      } catch (error) {
        if (isAnswered(error)) await session.query({ text: "ROLLBACK" });
        throw error;
      }
      await session.query({ text: isDone ? "COMMIT" : "ROLLBACK" });
      return isDone;
    });
  }

  #open(deadline: number): Promise<void> {
    this.#opening ??= this.#prepare(deadline).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #prepare(deadline: number): Promise<void> {
    const { names, tables, migrate, logger } = this.#settings;
    const weak = await this.#link.run(async (session) => {
      await prepareTables(session, { tables, names, migrate });
      return weakSettings(session);
    }, deadline);
    this.#isReady = true;
    if (weak.length === 0 || this.#isWarned) return;
    this.#isWarned = true;
    logger.warn(
      `${names.server} runs with ${weak.join(" and ")} off: ` +
        "acknowledged commits can be lost when it stops",
    );
  }
}
