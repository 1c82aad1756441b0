import { join } from "node:path";
import { expect, it } from "vitest";
import { fileStore } from "../../src/stores/file.ts";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { openStore } from "./open-store.ts";

const PROCESSES = 4;
const TIMES = 250;

it("P8 several processes on one sqlite file lose no update", { timeout: 60_000 }, async () => {
  const dir = testDirectory("processes");
  const children = Array.from({ length: PROCESSES }, () =>
    startChild("incrementer.ts", [dir, String(TIMES)]),
  );
  const codes = await Promise.all(children.map((child) => child.closed));
  expect(codes).toEqual(codes.map(() => 0));
  const store = openStore("sqlite", dir);
  const total = PROCESSES * TIMES;
  expect(await store.load(["counter"])).toEqual([{ version: total, state: total }]);
  await store.close();
});

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
