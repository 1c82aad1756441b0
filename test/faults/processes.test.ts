import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { fileStore } from "../../src/stores/file/store.ts";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { dropTables, findPostgres, freshTable } from "../support/postgres.ts";
import { openStore } from "./open-store.ts";

const PROCESSES = 4;
const TIMES = process.env["TEST_SCALE"] === "nightly" ? 1_000 : 100;

/** Lets four processes count in one place, and checks that nothing was lost. */
async function countTogether(kind: string, place: string): Promise<void> {
  const children = Array.from({ length: PROCESSES }, () =>
    startChild("incrementer.ts", [kind, place, String(TIMES)]),
  );
  const codes = await Promise.all(children.map((child) => child.closed));
  expect(codes).toEqual(codes.map(() => 0));
  const store = openStore(kind, place);
  const total = PROCESSES * TIMES;
  expect(await store.load(["counter"])).toEqual([{ version: total, state: total }]);
  await store.close();
}

it("P8 several processes on one sqlite file lose no update", { timeout: 60_000 }, () =>
  countTogether("sqlite", testDirectory("processes")),
);

const url = await findPostgres();

it.skipIf(url === undefined)(
  "P8 several processes on one PostgreSQL server lose no update",
  { timeout: 60_000 },
  async () => {
    const [server, table] = [url ?? "", freshTable()];
    onTestFinished(() => dropTables(server, table));
    await countTogether("postgres", `${server}#${table}`);
  },
);

it(
  "a second process on a file directory is refused, and taken in when the first is dead",
  {
    timeout: 60_000,
  },
  async () => {
    const dir = testDirectory("refused");
    const child = startChild("writer.ts", ["file", dir, "1"]);
    child.begin();
    await child.started;
    const second = fileStore({ dir: join(dir, "file") });
    await expect(second.load(["k0"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining(`process ${child.process.pid}`),
    });
    child.process.kill("SIGKILL");
    await child.closed;
    const [record] = await second.load(["k0"]);
    expect(record?.version).toBeGreaterThan(0);
    await second.close();
  },
);
