/** The file itself: whose it is, how it is named, and what loading its library prints. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { openDatabase } from "../../../../src/stores/sqlite/driver.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { programOf } from "../../../support/programs.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const dir = testDirectory("sqlite-file");
const logger = keepingLogger();
const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };

describe("the rights of a file", () => {
  const before = process.umask();
  afterEach(() => {
    process.umask(before);
  });

  it.each([0o000, 0o022, 0o077, 0o222])("are its owner's alone with umask %i", async (umask) => {
    const folder = join(dir, `umask-${umask}`);
    const path = join(folder, "bot.db");
    mkdirSync(folder, { mode: 0o700 });
    process.umask(umask);
    const store = sqliteStore({ path });
    await store.commit([write]);
    const seen = new Map<string, number>();
    const look = (): void => {
      for (const name of readdirSync(folder)) seen.set(name, statSync(join(folder, name)).mode);
    };
    look();
    await store.close();
    // The journals that this SQLite does not choose by itself.
    for (const mode of ["TRUNCATE", "WAL"]) {
      const database = openDatabase(path);
      database.exec(`PRAGMA journal_mode = ${mode}`);
      const other = sqliteStore({ database, logger });
      await other.commit([{ ...write, key: mode }]);
      look();
      await other.close();
      database.close();
    }
    expect([...seen.keys()]).toEqual(expect.arrayContaining(["bot.db", "bot.db-wal"]));
    for (const [name, mode] of seen) expect(mode & 0o777, name).toBe(0o600);
  });
});

describe("a path that is a URL", () => {
  it.each([
    "file:a.db?mode=ro",
    "file:///tmp/a.db",
    "file::memory:",
    "sqlite:./a.db",
    "sqlite://a.db",
    "libsql://host.example/a:secret",
    "HTTP://h/a.db",
  ])("is refused: %s", (path) => {
    for (const make of [() => sqliteStore({ path }), () => fileStore({ dir: path })]) {
      expect(make).toThrow(TypeError);
      expect(make).toThrow(/must be a path such as/);
      expect(make).not.toThrow(/secret/);
    }
    expect(existsSync("file:") || existsSync("sqlite:")).toBe(false);
  });

  it.each(["C:\\data\\bot.db", ":memory:", "./file:a.db", "a/b:c.db", "1:2.db"])(
    "is not what is meant by %s",
    async (path) => {
      await sqliteStore({ path }).close();
      await fileStore({ dir: path }).close();
    },
  );
});

it("loading SQLite prints nothing, and hides no other warning", async () => {
  const entry = programOf("src/sqlite.ts");
  const program = `
    import { sqliteStore } from ${JSON.stringify(entry)};
    const emit = process.emitWarning;
    const store = sqliteStore({ path: ":memory:" });
    await store.load(["k"]);
    await store.close();
    if (process.emitWarning !== emit) throw new Error("the platform's own function is not back");
    process.emitWarning("SQLite of mine", "ExperimentalWarning");
    process.emitWarning("another");
  `;
  const args = ["--input-type=module", "--eval", program];
  const { stderr } = await promisify(execFile)(process.execPath, args);
  expect(stderr).toContain("SQLite of mine");
  expect(stderr).toContain("another");
  expect(stderr).not.toContain("experimental feature");
});

it("an unreadable file gives its reason to every call, not only to the first", async () => {
  const path = join(dir, "empty.db");
  writeFileSync(path, "");
  const store = sqliteStore({ path });
  for (let call = 0; call < 2; call += 1) {
    const refused = store.load(["k"]);
    await expect(refused).rejects.toThrow(/empty/);
  }
  await store.close();
});
