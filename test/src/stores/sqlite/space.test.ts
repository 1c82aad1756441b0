/** How large the file is after large deletes, as docs/scale.md says. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ScopeWrite } from "../../../../src/stores/contract.ts";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { keepingLogger, until } from "../../../support/waiting.ts";

const directory = testDirectory("sqlite-space");
const COUNT = 200;
const TEXT = "x".repeat(20_000);

/** Writes or deletes all records as their `version`. */
function all(version: number, isThere: boolean): ScopeWrite[] {
  return Array.from({ length: COUNT }, (_, at) => ({
    key: `k${at}`,
    expectedVersion: version - 1,
    version,
    state: isThere ? { text: `${at}${TEXT}` } : undefined,
  }));
}

it.each(["WAL", "TRUNCATE"])(
  "space of deleted states is used again, and VACUUM gives it back beside open stores: %s",
  async (mode) => {
    const path = join(directory, `${mode}.db`);
    const maker = sqliteStore({ path });
    await maker.load(["k0"]);
    await maker.close();
    const made = openDatabase(path);
    made.exec(`PRAGMA journal_mode = ${mode}`);
    const size = (): number => {
      made.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return statSync(path).size;
    };
    const logger = keepingLogger(); // It may warn of the journal's mode.
    const [store, other] = [sqliteStore({ path, logger }), sqliteStore({ path, logger })];
    const observed: string[] = [];
    await other.watch?.((key, version) => void observed.push(`${key} ${version}`));
    await store.commit(all(1, true));
    const full = size();
    await store.commit(all(2, false));
    expect(size()).toBe(full);
    await store.commit(all(3, true));
    expect(size()).toBeLessThan(full * 1.1);
    await store.commit(all(4, false));
    await store.commit([{ key: "left", expectedVersion: 0, version: 1, state: { n: 1 } }]);

    made.exec("VACUUM");
    expect(size()).toBeLessThan(full / 20);
    expect(await other.load(["left", "k0"])).toMatchObject([
      { version: 1, state: { n: 1 } },
      { version: 4, state: undefined },
    ]);
    const write = { key: "left", expectedVersion: 1, version: 2, state: { n: 2 } };
    expect(await store.commit([write])).toEqual([{ ok: true, version: 2 }]);
    await until(() => observed.includes("left 2"));
    await Promise.all([store.close(), other.close()]);
    made.close();
  },
);
