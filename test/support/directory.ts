/** Directories of tests, removed when the test file is done, or with the run. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** The variable of the environment that names the folder of a run, in which these directories are. */
export const DIRECTORIES = "HOLDFAST_TEST_DIRECTORIES";
/** A file system in memory, which Linux has. */
const MEMORY = "/dev/shm";
/** A test needs a few megabytes; a machine with less than this may need the memory for itself. */
const ROOM_BYTES = 2 ** 31;

/** A fresh directory for the tests of a file. */
export function testDirectory(name: string): string {
  const path = mkdtempSync(join(process.env[DIRECTORIES] ?? tmpdir(), `${name}-`));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/**
 * Makes the folder of a run. A database in memory syncs at no cost. What a process wrote is there after it was
 * killed, as on a disk; only the end of the machine would differ. With TMPDIR the folder is where it says.
 */
export function makeDirectories(): string {
  const inMemory = process.env["TMPDIR"] === undefined && hasRoom();
  return mkdtempSync(join(inMemory ? MEMORY : tmpdir(), "holdfast-tests-"));
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= ROOM_BYTES;
  } catch {
    return false;
  }
}
