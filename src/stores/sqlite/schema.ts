/** The tables, and the statements, prepared once. */
import { TOMBSTONE_MS } from "../contract.ts";
import type { SqliteDatabase, SqliteStatement } from "./driver.ts";

/** The version of the tables below; a file with a higher one is refused. */
export const SCHEMA_VERSION = 1;

/** The values of `form`: where a record's state is stored. */
export const FORM = { dead: 0, inline: 1, apart: 2 } as const;

/*
 * holdfast_record  one narrow row per key; the state itself only while it is small
 * holdfast_base    the last whole state of a large record, apart so that patches do not rewrite it
 * holdfast_patch   the patches of a large record since; `since` links each row to the one before
 * holdfast_history the changes of a record; its columns are in shared/history-rows.ts
 * holdfast_lease   which owner may commit a key during an exclusive section
 * holdfast_watch   the store objects that watch the commits of others
 * holdfast_change  the keys and versions of the last commits, while another object watches
 *
 * The last two, `holdfast_history` and `forgets` are added to the tables of an older release, which
 * works on without them. `forgets` is when a deleted or expired record can be removed. An older
 * release does not update it, so it counts only for a record that is deleted or expired.
 *
 * `sum` is a checksum of the row's meaning: SQLite does not notice a changed byte in a value.
 */
export const TABLES: string = `
CREATE TABLE IF NOT EXISTS holdfast_meta (
  name TEXT PRIMARY KEY, value INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdfast_record (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  form INTEGER NOT NULL,
  expires INTEGER,
  sum INTEGER NOT NULL,
  log_count INTEGER NOT NULL DEFAULT 0,
  log_size INTEGER NOT NULL DEFAULT 0,
  base_size INTEGER NOT NULL DEFAULT 0,
  state TEXT,
  forgets INTEGER
);
CREATE TABLE IF NOT EXISTS holdfast_base (
  id INTEGER PRIMARY KEY, version INTEGER NOT NULL, sum INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS holdfast_patch (
  id INTEGER NOT NULL, version INTEGER NOT NULL, since INTEGER NOT NULL, sum INTEGER NOT NULL,
  patches TEXT NOT NULL, PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdfast_history (
  id INTEGER NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL,
  start INTEGER NOT NULL, size INTEGER NOT NULL, sum INTEGER NOT NULL, entry TEXT NOT NULL,
  state TEXT, PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdfast_lease (
  key TEXT PRIMARY KEY, owner TEXT NOT NULL, token TEXT NOT NULL, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdfast_watch (
  owner TEXT PRIMARY KEY, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holdfast_change (
  seq INTEGER PRIMARY KEY, owner TEXT NOT NULL, keys TEXT
);
INSERT OR IGNORE INTO holdfast_meta VALUES ('schema', ${SCHEMA_VERSION});
`;

/** Selects whether `forgets` exists. */
export const HAS_FORGETS: string =
  "SELECT 1 AS found FROM pragma_table_info('holdfast_record') WHERE name = 'forgets'";

/** Adds `forgets` to the tables of an older release; its tombstones are kept for a while more. */
export function addForgets(now: number): string {
  const from = `max(coalesce(expires, 0), ${Math.ceil(now)})`;
  return (
    "ALTER TABLE holdfast_record ADD COLUMN forgets INTEGER; " +
    `UPDATE holdfast_record SET forgets = ${from} + ${TOMBSTONE_MS} ` +
    `WHERE form = ${FORM.dead} OR expires IS NOT NULL;`
  );
}

/** For the sweep; made after the column. */
export const FORGETS_INDEX: string =
  "CREATE INDEX IF NOT EXISTS holdfast_record_forgets ON holdfast_record (forgets) " +
  "WHERE forgets IS NOT NULL;";

/** No lease of another owner is on the key of the row; parameters: own lease owner, now. */
const FREE =
  "NOT EXISTS (SELECT 1 FROM holdfast_lease l " +
  "WHERE l.key = holdfast_record.key AND l.owner <> ? AND l.until > ?)";

const UPDATE_INLINE =
  `UPDATE holdfast_record SET version = ?, form = ${FORM.inline}, expires = ?, forgets = ?, ` +
  `sum = ?, state = ? WHERE key = ? AND version = ? AND form < ${FORM.apart}`;

/*
 * Columns are read as numbers and bytes whatever a damaged row contains: libsql ends the process at
 * text that is not UTF-8, and node:sqlite throws at integers over 2^53.
 */
function real(column: string): string {
  return `CAST(${column} AS REAL) AS ${column}`;
}

function bytes(column: string): string {
  return `CAST(${column} AS BLOB) AS ${column}`;
}

const LIVING = `form > ${FORM.dead} AND (expires IS NULL OR expires > ?)`;

function listText(from: ">=" | ">", order: "ASC" | "DESC"): string {
  return (
    `SELECT ${bytes("key")} FROM holdfast_record WHERE key ${from} ? AND key < ? AND ${LIVING} ` +
    `ORDER BY holdfast_record.key ${order} LIMIT ?`
  );
}

const ID = "(SELECT id FROM holdfast_record WHERE key = ?)";

const PLACE = ["version", "at", "seq", "start", "size"].map(real).join(", ");

function historyText(order: "ASC" | "DESC"): string {
  return (
    `SELECT ${PLACE}, ${real("sum")}, ${bytes("entry")}, ${bytes("state")} FROM holdfast_history ` +
    `WHERE id = (SELECT id FROM holdfast_record WHERE key = ? AND ${LIVING}) ` +
    "AND holdfast_history.version > ? AND holdfast_history.version < ? " +
    "AND holdfast_history.seq >= ? AND holdfast_history.at >= ? AND holdfast_history.start >= ? " +
    `ORDER BY holdfast_history.version ${order} LIMIT ?`
  );
}

/** The statements the store runs. */
export type StatementName =
  | "head"
  | "version"
  | "leased"
  | "blocked"
  | "insert"
  | "update"
  | "updateAlone"
  | "replace"
  | "append"
  | "addPatch"
  | "addBase"
  | "dropBase"
  | "dropPatches"
  | "base"
  | "patches"
  | "lastChange"
  | "addChange"
  | "pruneChanges"
  | "dropChanges"
  | "changesUp"
  | "changesDown"
  | "listFirst"
  | "listAfter"
  | "listLast"
  | "lease"
  | "renew"
  | "release"
  | "watch"
  | "unwatch"
  | "watched"
  | "dropWatchers"
  | "note"
  | "notes"
  | "lastNote"
  | "dropNotes"
  | "clearNotes"
  | "over"
  | "nextOver"
  | "erase"
  | "redactNotes"
  | "dataVersion";

/* Parameters are anonymous: the libraries treat numbered ones differently. */
const SQL: Readonly<Record<StatementName, string>> = {
  head:
    `SELECT id, ${real("version")}, ${real("form")}, ${real("expires")}, ${real("sum")}, ` +
    `${bytes("state")} FROM holdfast_record WHERE key = ?`,
  version: `SELECT ${real("version")} FROM holdfast_record WHERE key = ?`,
  leased: "SELECT 1 AS found FROM holdfast_lease WHERE owner <> ? AND until > ? LIMIT 1",
  blocked: "SELECT 1 AS found FROM holdfast_lease WHERE key = ? AND owner <> ? AND until > ?",
  insert:
    "INSERT INTO holdfast_record (version, form, expires, forgets, sum, state, base_size, key) " +
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
  update: UPDATE_INLINE,
  updateAlone: `${UPDATE_INLINE} AND ${FREE}`,
  replace:
    "UPDATE holdfast_record SET version = ?, form = ?, expires = ?, forgets = ?, sum = ?, " +
    "state = ?, base_size = ?, log_size = 0, log_count = 0 WHERE key = ? AND version = ?",
  append:
    "UPDATE holdfast_record SET version = ?, expires = ?, forgets = ?, sum = ?, " +
    "log_size = log_size + ?, log_count = log_count + 1 WHERE key = ? AND version = ? " +
    `AND form = ${FORM.apart} ` +
    "AND log_size + ? < base_size AND log_count < ? AND (expires IS NULL OR expires > ?)",
  addPatch:
    "INSERT INTO holdfast_patch (id, version, since, sum, patches) " +
    "SELECT id, ?, ?, ?, ? FROM holdfast_record WHERE key = ?",
  addBase:
    "INSERT INTO holdfast_base (id, version, sum, state) " +
    "SELECT id, ?, ?, ? FROM holdfast_record WHERE key = ?",
  dropBase: `DELETE FROM holdfast_base WHERE id = ${ID}`,
  dropPatches: `DELETE FROM holdfast_patch WHERE id = ${ID}`,
  base:
    `SELECT ${real("version")}, ${real("sum")}, ${bytes("state")} ` +
    "FROM holdfast_base WHERE id = ?",
  patches:
    `SELECT ${real("version")}, ${real("since")}, ${real("sum")}, ${bytes("patches")} ` +
    "FROM holdfast_patch WHERE id = ? ORDER BY holdfast_patch.version",
  lastChange:
    `SELECT ${PLACE} FROM holdfast_history WHERE id = ${ID} ` +
    "ORDER BY holdfast_history.version DESC LIMIT 1",
  addChange:
    "INSERT INTO holdfast_history (id, version, at, seq, start, size, sum, entry, state) " +
    "SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM holdfast_record WHERE key = ?",
  pruneChanges:
    `DELETE FROM holdfast_history WHERE id = ${ID} AND version IN (SELECT version FROM ` +
    `(SELECT version, seq, at, start FROM holdfast_history WHERE id = ${ID} ` +
    "ORDER BY version LIMIT ?) WHERE seq < ? OR at < ? OR start < ?)",
  dropChanges: `DELETE FROM holdfast_history WHERE id = ${ID}`,
  changesUp: historyText("ASC"),
  changesDown: historyText("DESC"),
  listFirst: listText(">=", "ASC"),
  listAfter: listText(">", "ASC"),
  listLast: listText(">=", "DESC"),
  lease:
    "INSERT INTO holdfast_lease (key, owner, token, until) VALUES (?, ?, ?, ?) " +
    "ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, token = excluded.token, " +
    "until = excluded.until WHERE until <= ?",
  renew: "UPDATE holdfast_lease SET until = ? WHERE key = ? AND token = ? AND until > ?",
  release: "DELETE FROM holdfast_lease WHERE key = ? AND token = ?",
  watch:
    "INSERT INTO holdfast_watch (owner, until) VALUES (?, ?) " +
    "ON CONFLICT (owner) DO UPDATE SET until = excluded.until",
  unwatch: "DELETE FROM holdfast_watch WHERE owner = ?",
  watched: "SELECT 1 AS found FROM holdfast_watch WHERE owner <> ? AND until > ? LIMIT 1",
  dropWatchers: "DELETE FROM holdfast_watch WHERE until <= ?",
  note: "INSERT INTO holdfast_change (owner, keys) VALUES (?, ?)",
  notes:
    "SELECT owner = ? AS mine, CASE WHEN owner = ? THEN NULL ELSE CAST(keys AS BLOB) END AS keys " +
    "FROM holdfast_change WHERE seq > ? ORDER BY seq",
  lastNote: "SELECT CAST(coalesce(max(seq), 0) AS REAL) AS seq FROM holdfast_change",
  dropNotes: "DELETE FROM holdfast_change WHERE seq <= (SELECT max(seq) FROM holdfast_change) - ?",
  clearNotes:
    "DELETE FROM holdfast_change " +
    "WHERE NOT EXISTS (SELECT 1 FROM holdfast_watch WHERE owner <> ?)",
  over:
    `SELECT ${bytes("key")} FROM holdfast_record WHERE forgets <= ? ` +
    `AND (form = ${FORM.dead} OR expires <= ?) AND ${FREE} LIMIT ?`,
  nextOver: "SELECT CAST(min(forgets) AS REAL) AS at FROM holdfast_record WHERE forgets > ?",
  erase: "DELETE FROM holdfast_record WHERE key = ?",
  redactNotes: "UPDATE holdfast_change SET keys = ? WHERE instr(keys, ?) > 0",
  dataVersion: "PRAGMA data_version",
};

/** Every statement, prepared. */
export type Statements = Readonly<Record<StatementName, SqliteStatement>>;

/** Prepares every statement once. */
export function prepareStatements(database: SqliteDatabase): Statements {
  const entries = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)] as const);
  // The keys are those of SQL, one statement each.
  return Object.fromEntries(entries) as Statements;
}
