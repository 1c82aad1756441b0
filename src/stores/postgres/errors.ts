/**
 * Classifies errors of a PostgreSQL server, and whether a retry may succeed.
 *
 * A statement with an error reply was rolled back, so that is definite. Only a connection that
 * ended, or a missing reply, leaves the outcome unknown.
 */
import {
  CorruptStateError,
  isHoldfastError,
  StateSerializationError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import { isError, isMisuse } from "../../../actors/realm.ts";
import type { Verdict } from "../shared/retry-until.ts";

/** There was no connection: nothing was sent. */
export class NotConnectedError extends Error {}

/** The server did not reply in time; the request may still be served. */
export class NoAnswerError extends Error {}

/** Names the store in messages. */
export interface PostgresNames {
  /** The server without user and password. */
  readonly server: string;
  /** The prefix of the tables. */
  readonly table: string;
}

/** Retryable: the server starts, is full, or another transaction is running. */
const LATER: ReadonlySet<string> = new Set([
  "40001", // serialization failure
  "40P01", // deadlock
  "53300", // too many connections
  "55P03", // lock not available
  "57014", // statement cancelled
  "57P03", // starting up or shutting down
]);

/** Another user of the connection cleared or changed its prepared statements. */
const MIXED_UP: ReadonlySet<string> = new Set(["26000", "42P05"]);

/** The server ended the connection; a commit may have been complete by then. */
const ENDED = /^(?:08|25P0[34]|40003|57P0[1245])/;

const NO_TABLE = "42P01";
const NO_COLUMN = "42703";
/** A column, function or type that is missing or different. */
const OTHER_SHAPE = /^42(?:703|804|809|883|P10|P16|P18)$/;
/** Over a limit of the server; of what is sent here only a key can be so long. */
const OVER_LIMIT = "54000";
const DAMAGE = /^XX00[12]$/;

/** The advice for an error of the server, by the start of its code. */
const ADVICE: readonly (readonly [start: string, advice: string])[] = [
  ["28", "check user and password, and that pg_hba.conf lets them in"],
  ["3D000", "create the database or correct its name"],
  ["3F000", "create the schema or correct the option `table`"],
  ["42501", "grant the role what it needs, or run the text of postgresSchema() with one that may"],
  ["42704", "PostgreSQL 13 or later is needed"],
  ["25006", "this server is read-only, as a standby is; connect to the primary"],
  ["53100", "free disk space on the server"],
];

/** The SQLSTATE of an error the server sent; `undefined` for any other. */
function sqlState(error: unknown): string | undefined {
  // Both, because error codes of Node such as EPIPE look alike.
  if (!isError(error) || !("code" in error) || !("severity" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** True when a table is missing. */
export function isMissingTable(error: unknown): boolean {
  return sqlState(error) === NO_TABLE;
}

/** True when a column is missing. */
export function isMissingColumn(error: unknown): boolean {
  return sqlState(error) === NO_COLUMN;
}

/** The error for tables that an earlier release made and that this store must not change. */
export function olderTables({ server, table }: PostgresNames, cause: unknown): Error {
  return new StoreUnavailableError(
    `${server} has the tables ${table}_… of an earlier release; ` +
      "run the text of postgresSchema() there once more",
    { cause },
  );
}

/** True when a call failed because the first of the tables is missing. */
export function lacksAllTables(error: unknown): boolean {
  const cause = isError(error) ? error.cause : undefined;
  return isMissingTable(cause) && isError(cause) && cause.message.includes("_meta");
}

/** True when the server's reply was read and the connection is usable. */
export function isAnswered(error: unknown): boolean {
  if (isHoldfastError(error)) return true; // A reply that is refused here.
  const state = sqlState(error);
  return state !== undefined && !ENDED.test(state) && !MIXED_UP.has(state);
}

/** The error for tables that are not the library's. */
export function foreignTables({ server, table }: PostgresNames, cause?: unknown): Error {
  return new StoreUnavailableError(
    `${server} has tables named ${table}_… that are not of this library; ` +
      "choose another name with the option `table`",
    { cause },
  );
}

/** Classifies failures of a server's calls, for `createRepeat`. */
export function createJudge(names: PostgresNames): (error: unknown) => Verdict {
  const judgeServer = (state: string, error: unknown): Verdict => {
    if (LATER.has(state) || MIXED_UP.has(state)) return { kind: "later", cause: error };
    if (ENDED.test(state)) return { kind: "unknown", cause: error };
    return { kind: "refused", error: serverError(state, names, error) };
  };
  return (error) => {
    if (isHoldfastError(error)) return { kind: "refused", error };
    const isConnect = error instanceof NotConnectedError;
    const state = sqlState(isConnect ? error.cause : error);
    if (isConnect) {
      const verdict = state === undefined ? undefined : judgeServer(state, error.cause);
      return verdict?.kind === "refused" ? verdict : { kind: "later", cause: error.cause };
    }
    if (state !== undefined) return judgeServer(state, error);
    if (isMisuse(error)) return { kind: "refused", error };
    return { kind: "unknown", cause: error };
  };
}

function serverError(state: string, names: PostgresNames, cause: unknown): Error {
  const { server, table } = names;
  const reason = isError(cause) ? cause.message : "no reason given";
  if (DAMAGE.test(state)) return new CorruptStateError({ location: server, reason }, { cause });
  if (state === OVER_LIMIT) {
    const tooLong = "a key too long for an index of PostgreSQL (about 2,700 bytes)";
    return new StateSerializationError({ path: "", reason: tooLong }, { cause });
  }
  if (OTHER_SHAPE.test(state)) return foreignTables(names, cause);
  if (state === NO_TABLE)
    return new StoreUnavailableError(
      `${server} lacks the tables ${table}_… (${reason}); run the text of postgresSchema() ` +
        "there, or restore what was dropped and try again",
      { cause },
    );
  const advice = ADVICE.find(([start]) => state.startsWith(start))?.[1] ?? `SQLSTATE ${state}`;
  return new StoreUnavailableError(`${server} refused: ${reason}; ${advice}`, { cause });
}
