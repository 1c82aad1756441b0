/**
 * A round of whole benches, without warm-ups. Each checks what its contenders made before it prints a time, so a
 * bench that no longer measures what it says ends with an error.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { COLD_VARIABLE } from "../../bench/support.ts";

const LIMIT_MS = 180_000;
const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

describe("one round of a bench", () => {
  it.each([
    ["compare", "sequential patchState"],
    ["micro", "runtime.open each time"],
    ["answers", "a no-op"],
  ])("%s makes what it should and prints its rows", { timeout: LIMIT_MS }, async (bench, row) => {
    const args = ["--import", "tsx", main, bench, "--rounds", "1"];
    const store = bench === "answers" ? ["--store", "memory"] : [];
    const env = { ...process.env, [COLD_VARIABLE]: "1" };
    const { stdout } = await promisify(execFile)(process.execPath, [...args, ...store], { env });
    expect(stdout).toContain(row);
    expect(stdout).not.toContain("MISSED");
  });
});
