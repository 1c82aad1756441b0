import { expect, it } from "vitest";
import { testDirectory } from "../support/directory.ts";
import { killCycles } from "./kill-cycles.ts";

const CYCLES = process.env["TEST_SCALE"] === "nightly" ? 2500 : 30;
const dir = testDirectory("kill-sqlite");

it(
  "P2 every answered write survives SIGKILL, and no state is torn",
  { timeout: CYCLES * 4000 },
  async () => {
    expect(await killCycles("sqlite", dir, CYCLES)).toBeGreaterThan(CYCLES);
  },
);
