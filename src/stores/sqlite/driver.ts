/**
 * One interface for the three SQLite libraries, and one classification of their errors.
 *
 * None is imported by name: `node:sqlite` is missing on older Node and `libsql` is an optional
 * peer.
 */
import { types } from "node:util";
import {
  CommitUnknownError,
  CorruptStateError,
  HoldfastError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import { isError, isMisuse } from "../../../actors/realm.ts";
import { peerError, requirePeer } from "../shared/optional-peer.ts";

/** A value that SQLite binds or returns here. */
export type SqliteValue = string | number | null;

/** The text of a column read as bytes, which each library returns in its own shape. */
export function bytesToText(value: unknown): string | undefined {
  if (types.isAnyArrayBuffer(value)) return Buffer.from(value).toString();
  if (!types.isUint8Array(value)) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
}

/** A column of a row; `undefined` when there is no such row or column. */
export function columnOf(row: unknown, column: string): unknown {
  if (typeof row !== "object" || row === null || !Object.hasOwn(row, column)) return undefined;
  // Own property just checked.
  return (row as Readonly<Record<string, unknown>>)[column];
}

/** A prepared statement, as better-sqlite3, libsql and node:sqlite have it. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint };
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

/** A database handle of the better-sqlite3 shape. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

type DatabaseConstructor = new (path: string) => SqliteDatabase;

/** `node:sqlite`, without the warning that some versions of Node print when it is loaded. */
function loadBuiltin(): unknown {
  const platform = Reflect.getOwnPropertyDescriptor(process, "emitWarning");
  const emit = process.emitWarning.bind(process);
  // Takes what the platform's own function takes, and passes on all but that one warning.
  process.emitWarning = (...parts: readonly unknown[]) => {
    const [notice, type] = parts;
    if (type === "ExperimentalWarning" && String(notice).startsWith("SQLite ")) return;
    Reflect.apply(emit, process, parts);
  };
  try {
    return process.getBuiltinModule("node:sqlite");
  } finally {
    if (platform === undefined) process.emitWarning = emit;
    else Reflect.defineProperty(process, "emitWarning", platform);
  }
}

function loadDriver(): DatabaseConstructor {
  // Both modules are typed by the interface this file uses; the store suite runs on each.
  const builtin = loadBuiltin() as { readonly DatabaseSync: DatabaseConstructor } | undefined;
  if (builtin !== undefined) return builtin.DatabaseSync;
  try {
    // As above: libsql exports its Database class.
    return requirePeer("libsql") as DatabaseConstructor;
  } catch (cause) {
    const { message } = peerError("libsql", cause);
    throw new StoreUnavailableError(
      `this Node has no node:sqlite: ${message}, use Node 22.13 or later, or pass \`database\``,
      { cause },
    );
  }
}

/** Opens the file at `path` with `node:sqlite` if Node has it, else with `libsql`. */
export function openDatabase(path: string): SqliteDatabase {
  const Database = loadDriver();
  return new Database(path);
}

const CODE = {
  error: 1,
  busy: 5,
  locked: 6,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  notadb: 26,
} as const;
const NAMES: ReadonlyMap<string, number> = new Map([
  ["SQLITE_ERROR", CODE.error],
  ["SQLITE_BUSY", CODE.busy],
  ["SQLITE_LOCKED", CODE.locked],
  ["SQLITE_IOERR", CODE.ioerr],
  ["SQLITE_CORRUPT", CODE.corrupt],
  ["SQLITE_FULL", CODE.full],
  ["SQLITE_NOTADB", CODE.notadb],
]);

/** The primary result code of a driver's error; `undefined` for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  if (!isError(error)) return undefined;
  if ("rawCode" in error && typeof error.rawCode === "number") return error.rawCode & 0xff;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  if (!("code" in error) || typeof error.code !== "string") return undefined;
  // better-sqlite3 returns extended names such as SQLITE_IOERR_WRITE.
  const name = error.code.split("_").slice(0, 2).join("_");
  return NAMES.get(name);
}

/** True when another connection has the lock that is needed; a retry can succeed. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === CODE.busy || code === CODE.locked;
}

/** True when SQLite refused a statement, for example because a column does not exist. */
export function isSchemaFault(error: unknown): boolean {
  return sqliteCode(error) === CODE.error;
}

/** True when a failed COMMIT may still have reached the file. */
export function isInDoubt(error: unknown): boolean {
  return sqliteCode(error) === CODE.ioerr;
}

/** The library's error for an error of a driver; its own errors and misuse pass unchanged. */
export function toStoreError(error: unknown, path: string): unknown {
  if (error instanceof HoldfastError || isMisuse(error)) return error;
  const code = sqliteCode(error);
  if (code === CODE.corrupt || code === CODE.notadb) {
    const reason = code === CODE.notadb ? "not a database" : "malformed database";
    return new CorruptStateError({ location: path, reason }, { cause: error });
  }
  const reason = isError(error) ? error.message : "unknown failure";
  return new StoreUnavailableError(`the database at ${path} cannot be used: ${reason}`, {
    cause: error,
  });
}

/** The error of a commit whose outcome is not known. */
export function commitUnknown(cause: unknown): CommitUnknownError {
  return new CommitUnknownError({ cause });
}
