/** Directories of tests, removed when the test file is done. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A fresh directory for the tests of a file. */
export function testDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
