/**
 * Decides by the version of SQLite how a file may be kept.
 *
 * In WAL mode SQLite 3.7.0 to 3.51.2 can lose a commit or damage the file when one connection folds
 * the log in while another writes (https://sqlite.org/wal.html#walresetbug); 3.44.6 and 3.50.7 have
 * the correction too. With such a build a new file has a rollback journal, which is sound for
 * several processes, or WAL mode for the one process that has the file to itself. A file that is
 * in WAL mode already stays so: other programs may have it open.
 */
import { columnOf, type SqliteDatabase } from "./driver.ts";

/** How many processes may open a file at the same time. */
export type Processes = "one" | "several";

/** The patch from which on a release has the correction; newer releases all have it. */
const CORRECTED: ReadonlyMap<string, number> = new Map([
  ["3.44", 6],
  ["3.50", 7],
  ["3.51", 3],
]);
const LAST_WITHOUT = { major: 3, minor: 51 };
const FIRST_WITH_WAL = { major: 3, minor: 7 };

/** True when WAL mode of this version of SQLite is sound for several connections. */
export function isWalSound(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const corrected = CORRECTED.get(`${major}.${minor}`);
  if (corrected !== undefined) return patch >= corrected;
  if (major !== LAST_WITHOUT.major) return major > LAST_WITHOUT.major;
  return minor > LAST_WITHOUT.minor || minor < FIRST_WITH_WAL.minor;
}

/** The version of the SQLite behind a connection. */
export function sqliteVersion(database: SqliteDatabase): string {
  const row = database.prepare("SELECT sqlite_version() AS version").get();
  return String(columnOf(row, "version"));
}

/** The warning about a file in WAL mode on a build that is not sound in that mode. */
export function walWarning(path: string, version: string): string {
  return (
    `${path} is in WAL mode, in which SQLite ${version} can lose commits while several ` +
    "connections use one file (https://sqlite.org/wal.html#walresetbug). Use Node 22.22.3 or " +
    '24.15, or later. Or open the file once with `processes: "one"` and close it, while no ' +
    "other program has it open: it then has a rollback journal"
  );
}
