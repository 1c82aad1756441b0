/** Runs the short program of program.mjs, and says what it must print. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { dropTables, findPostgres, freshTable } from "../support/postgres.ts";
import { findRedis, testKeys } from "../support/redis.ts";

const run = promisify(execFile);

const NO_REDIS = "redis://127.0.0.1:1";
const NO_POSTGRES = "postgres://postgres@127.0.0.1:1/test";

/** For the program: URLs where no server can listen. */
export const nowhere: readonly string[] = [NO_REDIS, NO_POSTGRES, "t", "t:"];

/** An error that says that nothing listens at the address. */
export const refused: unknown = expect.stringContaining("ECONNREFUSED");

/** What the program prints of all that needs no server. */
export const works: object = {
  memory: 1,
  file: 2,
  sqlite: 2,
  actor: { list: ["tea"] },
  vcr: "hello",
  search: ["note"],
};

/** The servers the program uses, and what it prints. */
export interface Servers {
  /** For the program: two URLs, what its tables are called, and how its keys begin. */
  readonly places: readonly string[];
  /** What it prints. Every run on the same servers counts on where the one before it ended. */
  readonly expected: object;
  /** Removes what the program left on the servers. */
  remove(): Promise<void>;
}

/** The servers that are found, as other tests find them; where there is none, a refusal is due. */
export async function findServers(): Promise<Servers> {
  const redis = await findRedis();
  const postgres = await findPostgres();
  const keys = redis === undefined ? undefined : testKeys(redis);
  const table = freshTable();
  const number = expect.any(Number) as unknown;
  return {
    places: [redis ?? NO_REDIS, postgres ?? NO_POSTGRES, table, keys?.prefix ?? ""],
    expected: {
      ...works,
      redis: redis === undefined ? refused : number,
      postgres: postgres === undefined ? refused : number,
    },
    async remove() {
      await keys?.remove();
      if (postgres !== undefined) await dropTables(postgres, table);
    },
  };
}

/** Runs `command` with the program's arguments; gives what it printed. */
export async function resultOf(
  command: readonly string[],
  places: readonly string[],
): Promise<unknown> {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-program-"));
  const [file = "", ...args] = command;
  try {
    const { stdout } = await run(file, [...args, dir, ...places]);
    return JSON.parse(stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
