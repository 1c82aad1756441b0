/** A runtime on a file that is removed, and its restart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../src/index.ts";
import { createRuntime, sqliteStore } from "../subject.ts";

/** Runs `work`; `runtime` gives the one that is open, `restart` closes it and opens another. */
export async function onSqlite<T>(
  work: (runtime: () => Runtime, restart: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const start = (): Runtime => createRuntime({ store: sqliteStore({ path: join(dir, "a.db") }) });
  let runtime = start();
  const restart = async (): Promise<void> => {
    await runtime.close();
    runtime = start();
  };
  const found = await work(() => runtime, restart);
  await runtime.close();
  rmSync(dir, { recursive: true });
  return found;
}
