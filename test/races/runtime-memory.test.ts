/** Passivation really gives memory back: a child process that can collect its garbage looks. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { programOf } from "../support/programs.ts";

it("10,000 scopes with 100 resident: the others leave memory, and come back as they were", async () => {
  const args = ["--expose-gc", programOf("test/support/passivation-child.ts")];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  // The child prints one JSON object of these fields.
  const seen = JSON.parse(stdout) as Record<"alive" | "right" | "resident", number> & {
    same: boolean;
  };
  expect(seen.alive).toBeLessThanOrEqual(110);
  expect(seen).toMatchObject({ right: Math.ceil(10_000 / 97), resident: 100, same: true });
});
