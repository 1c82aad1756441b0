/**
 * The tables, made or checked when a store begins.
 *
 * Invariants
 *  M1  Stores that start at once make the tables once, under an advisory lock.
 *  M2  Where the tables exist already, a role needs only the rights to use them.
 *  M3  Tables of a later version, or of another program, are refused and not changed.
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { PostgresSession } from "./connection.ts";
import {
  foreignTables,
  isMissingColumn,
  isMissingTable,
  olderTables,
  type PostgresNames,
} from "./errors.ts";
import { NOW } from "./fragments.ts";
import { TOMBSTONE_MS } from "../contract.ts";

/** The version of the tables below; a higher one is refused. */
export const SCHEMA_VERSION = 1;

/** The prefix of the tables when no other is given. */
export const DEFAULT_TABLE = "holdfast";

/** An arbitrary constant: the advisory lock that serializes making tables. */
const MIGRATION_LOCK = 4_837_210_655;

/** Leaves room for a suffix in the 63 bytes of a name. */
const TABLE_NAME = /^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,39}$/;

/** The names in statements, quoted where needed. */
export interface PostgresTables {
  readonly record: string;
  readonly patch: string;
  readonly history: string;
  readonly meta: string;
  /** Of the index; it is in the schema of its table. */
  readonly index: string;
  /** Of the index for the sweep. */
  readonly forgets: string;
  /** The channel of notifications. */
  readonly channel: string;
}

/** Checks the option `table`; throws a `TypeError`. */
export function tablesOf(table: string): PostgresTables {
  if (typeof table !== "string" || !TABLE_NAME.test(table))
    throw new TypeError(
      "table must be a name of up to 40 of a-z, 0-9 and _, perhaps with a schema and a dot before",
    );
  const parts = table.split(".");
  const name = parts.at(-1) ?? table;
  const schema = parts.length > 1 ? `"${parts[0]}".` : "";
  const named = (suffix: string): string => `${schema}"${name}_${suffix}"`;
  return {
    record: named("record"),
    patch: named("patch"),
    history: named("history"),
    meta: named("meta"),
    index: `"${name}_record_changed"`,
    forgets: `"${name}_record_forgets"`,
    channel: `"${name}_changed"`,
  };
}

/** Adds `forgets` to a table of an earlier release; its tombstones are kept for a while more. */
function forgetsText({ record, forgets }: PostgresTables): string {
  return `DO $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = '${record}'::regclass
      AND attname = 'forgets' AND NOT attisdropped) THEN
    ALTER TABLE ${record} ADD COLUMN forgets double precision;
    UPDATE ${record} SET forgets = greatest(coalesce(expires, 0), ${NOW}) + ${TOMBSTONE_MS}
      WHERE version > 0 AND (state IS NULL OR expires IS NOT NULL);
  END IF;
END $$;
CREATE INDEX IF NOT EXISTS ${forgets} ON ${record} (forgets) WHERE forgets IS NOT NULL;
`;
}

/*
 * record  one row per key. `state` is NULL when deleted, or when only a lease was ever made
 *         (version 0). `base_version` is the version of `state`; patches continue from there.
 *         `ops` are the last writes, newest first, as
 *         `<seconds since 1970>.<writer>-<number>@<version before>`.
 *         `changed` is the transaction of the last write, for watchers. `forgets` is when the row
 *         can be removed. An earlier release does not update it, so it counts only while the row is
 *         a tombstone.
 * patch   the patches of a large state since; `since` links each row to the one before
 * history the changes of a record; its columns are in shared/history-rows.ts
 *
 * `history` and `forgets` are added to the tables of an earlier release, which works on without
 * them: what it deletes or erases leaves its history until the key is written again.
 *
 * Times are milliseconds of the server's clock. JSON is stored as text: jsonb would reorder keys
 * and refuse U+0000.
 */
function tablesText(tables: PostgresTables): string {
  const { record, patch, history, meta, index } = tables;
  return `CREATE TABLE IF NOT EXISTS ${meta} (name text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE IF NOT EXISTS ${record} (
  key text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  state text,
  expires double precision,
  ops text[] NOT NULL DEFAULT '{}',
  base_version bigint NOT NULL DEFAULT 0,
  base_size bigint NOT NULL DEFAULT 0,
  log_size bigint NOT NULL DEFAULT 0,
  log_count integer NOT NULL DEFAULT 0,
  lease text,
  lease_until double precision,
  changed xid8,
  forgets double precision
);
CREATE INDEX IF NOT EXISTS ${index} ON ${record} (changed);
${forgetsText(tables)}CREATE TABLE IF NOT EXISTS ${patch} (
  key text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  since bigint NOT NULL,
  patches text NOT NULL,
  PRIMARY KEY (key, version)
);
CREATE TABLE IF NOT EXISTS ${history} (
  key text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  at double precision NOT NULL,
  seq bigint NOT NULL,
  start bigint NOT NULL,
  size bigint NOT NULL,
  entry text NOT NULL,
  state text,
  PRIMARY KEY (key, version)
);
INSERT INTO ${meta} (name, value) VALUES ('schema', ${SCHEMA_VERSION}) ON CONFLICT DO NOTHING;
`;
}

/**
 * SQL that makes the tables of `postgresStore`. Run it with a role that may create them; the store
 * then needs a role that may only SELECT, INSERT, UPDATE and DELETE. Running it again changes
 * nothing. `table` is the option of the store, default "holdfast".
 */
export function postgresSchema(table: string = DEFAULT_TABLE): string {
  return tablesText(tablesOf(table));
}

async function makeTables(session: PostgresSession, tables: PostgresTables): Promise<void> {
  // One text is one transaction, and the lock is released with it.
  const patience = `SELECT set_config('lock_timeout', '${session.patience()}', true)`;
  await session.query({
    text: `${patience}; SELECT pg_advisory_xact_lock(${MIGRATION_LOCK}); ${tablesText(tables)}`,
  });
}

async function findVersion(
  session: PostgresSession,
  tables: PostgresTables,
): Promise<number | undefined> {
  const text = `SELECT value::float8 AS value FROM ${tables.meta} WHERE name = 'schema'`;
  const [row] = await session.query({ text });
  return row === undefined ? undefined : Number(row["value"]);
}

/** Makes the tables if `migrate`, and checks that they are the ones of this version. */
export async function prepareTables(
  session: PostgresSession,
  settings: {
    readonly tables: PostgresTables;
    readonly names: PostgresNames;
    readonly migrate: boolean;
  },
): Promise<void> {
  const { tables, names, migrate } = settings;
  const found = async (): Promise<number | undefined> => findVersion(session, tables);
  const version = await found().catch(async (error: unknown) => {
    if (!migrate || !isMissingTable(error)) throw error;
    await makeTables(session, tables);
    return found();
  });
  if (version === undefined) throw foreignTables(names);
  if (!(version <= SCHEMA_VERSION))
    throw new StoreUnavailableError(
      `${names.server} has tables ${names.table}_… of version ${version}, this library knows up ` +
        `to ${SCHEMA_VERSION}; use the version of the library that wrote them`,
    );
  // Fails when a column is missing, as in a table of another program.
  await session.query({
    text:
      "SELECT r.key, r.version, r.state, r.expires, r.ops, r.base_version, r.base_size, " +
      "r.log_size, r.log_count, r.lease, r.lease_until, r.changed, p.since, p.patches " +
      `FROM ${tables.record} r, ${tables.patch} p WHERE p.key = r.key AND p.version = 0 LIMIT 0`,
  });
  const added = {
    text:
      "SELECT r.forgets, h.at, h.seq, h.start, h.size, h.entry, h.state " +
      `FROM ${tables.record} r, ${tables.history} h WHERE h.key = r.key AND h.version = 0 LIMIT 0`,
  };
  await session.query(added).catch(async (error: unknown) => {
    if (!isMissingColumn(error) && !isMissingTable(error)) throw error;
    if (!migrate) throw olderTables(names, error);
    await makeTables(session, tables);
    await session.query(added);
  });
}

/** Names of server settings with which an acknowledged commit may be lost; often none. */
export async function weakSettings(session: PostgresSession): Promise<string[]> {
  const [row] = await session.query({
    text:
      "SELECT current_setting('fsync') AS fsync, " +
      "current_setting('synchronous_commit') AS synchronous_commit",
  });
  return Object.entries(row ?? {}).flatMap(([name, value]) => (value === "off" ? [name] : []));
}
