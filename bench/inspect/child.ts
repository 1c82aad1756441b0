/** Runs a script of this folder in a fresh process, on the library with a file for each source. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BUILD_VARIABLE } from "../build-variable.ts";
import { buildLibrary } from "../build.ts";

const run = promisify(execFile);

let built: Promise<string> | undefined;

/** What the script prints, from JSON; rejects when it fails. `job` is its argument, as JSON. */
export async function inspect(script: string, job: object): Promise<unknown> {
  built ??= buildLibrary("modules");
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await run(process.execPath, ["--import", "tsx", path, JSON.stringify(job)], {
    env: { ...process.env, [BUILD_VARIABLE]: await built },
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout);
}
