/** Looks at a database file: its SQLite, its journal, its tables, and what they keep. */
import { dirname } from "node:path";
import { diskFinding, type Finding } from "../shared/finding.ts";
import { isWalSound, sqliteVersion, walWarning } from "./build.ts";
import { columnOf, openDatabase, type SqliteDatabase, toStoreError } from "./driver.ts";
import { journalMode } from "./files.ts";
import { FORM, SCHEMA_VERSION } from "./schema.ts";

/** Looks at the file, which must exist; rejects with the store's errors. */
export async function sqliteHealth(path: string): Promise<Finding[]> {
  let database: SqliteDatabase | undefined;
  try {
    database = openDatabase(path);
    return [...findings(database, path), await diskFinding(dirname(path))];
  } catch (error) {
    throw toStoreError(error, path);
  } finally {
    database?.close();
  }
}

function findings(database: SqliteDatabase, path: string): Finding[] {
  const version = sqliteVersion(database);
  const mode = journalMode(database);
  const isRisky = mode === "wal" && !isWalSound(version);
  const count = (text: string): number => Number(columnOf(database.prepare(text).get(), "n"));
  const schema = count("SELECT value AS n FROM holdfast_meta WHERE name = 'schema'");
  const dead = count(`SELECT count(*) AS n FROM holdfast_record WHERE form = ${FORM.dead}`);
  const leases = count("SELECT count(*) AS n FROM holdfast_lease");
  return [
    { name: "sqlite", level: "info", text: `version ${version}` },
    {
      name: "journal",
      level: isRisky ? "warning" : "ok",
      text: isRisky ? walWarning(path, version) : `${mode}, safe for several processes`,
    },
    {
      name: "tables",
      level: schema > SCHEMA_VERSION ? "error" : "ok",
      text: `version ${schema}, this library writes ${SCHEMA_VERSION}`,
    },
    { name: "tombstones", level: "info", text: `${dead}` },
    { name: "leases", level: "info", text: `${leases}` },
  ];
}
