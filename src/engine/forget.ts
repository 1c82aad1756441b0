/** Removes a database and SQLite's files beside it; nothing else in the directory. */
import { rm } from "node:fs/promises";

export async function forget(path: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) await rm(path + suffix, { force: true });
}
