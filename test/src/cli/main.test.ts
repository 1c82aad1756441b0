/** The program as people start it: a process of its own, with files and exit codes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileStore } from "../../../src/stores/file/store.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { dropTables, findPostgres, freshTable, runSql } from "../../support/postgres.ts";
import { programOf } from "../../support/programs.ts";
import { canStartRedis, ownRedis, type OwnRedis } from "../../support/redis.ts";

const PROGRAM = programOf("src/cli/main.ts");
const directory = testDirectory("cli");

function fresh(): string {
  return mkdtempSync(join(directory, "case-"));
}

async function inStore<T>(store: StateStore, work: (store: StateStore) => Promise<T>): Promise<T> {
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A database of `count` records. */
async function database(count = 5, value = 1): Promise<string> {
  const path = join(fresh(), "store.db");
  await inStore(sqliteStore({ path }), (store) =>
    store.commit(
      Array.from({ length: count }, (_, n) => ({
        key: `app/${n}`,
        expectedVersion: 0,
        version: n + 1,
        state: { value },
      })),
    ),
  );
  return path;
}

describe("copy", () => {
  it("moves a database to a directory, and finds it there the next time", async () => {
    const [path, dir] = [await database(), fresh()];
    const args = ["copy", `sqlite:${path}`, `file:${dir}`, "--batch", "2"];
    const first = { out: "moved 5, already there 0, conflicts 0, verified 5\n", err: "", code: 0 };
    expect(await holdfast(...args)).toEqual(first);
    const again = { ...first, out: "moved 0, already there 5, conflicts 0, verified 5\n" };
    expect(await holdfast(...args)).toEqual(again);
    const found = await inStore(fileStore({ dir }), (store) => store.load(["app/4"]));
    expect(found).toEqual([{ version: 5, state: { value: 1 } }]);
  });

  it("names conflicts, leaves them alone and ends with 1", async () => {
    const [from, to] = [await database(30, 1), await database(25, 2)];
    const ended = await holdfast("copy", `sqlite:${from}`, `sqlite:${to}`);
    expect(ended.out).toBe("moved 5, already there 0, conflicts 25, verified 5\n");
    expect(ended.err).toContain('"app/0": version 1 has another state\n');
    expect(ended.err).toContain("and 5 more\n25 keys have another record in the target");
    expect(ended.err).not.toContain("changed while this ran");
    expect(ended.code).toBe(1);
  });

  it("--check-only writes nothing and says what is missing", async () => {
    const [from, to] = [await database(3), await database(2)];
    const args = ["copy", `sqlite:${from}`, `sqlite:${to}`, "--check-only"];
    expect(await holdfast(...args)).toEqual({
      out: "verified 2, different 1\n",
      err: '"app/2": missing\n',
      code: 1,
    });
  });
});

describe("check", () => {
  it("ends with 0 when both are the same, with 1 when one has more", async () => {
    const [a, b, c] = [await database(3), await database(3), await database(4)];
    const same = await holdfast("check", `sqlite:${a}`, `sqlite:${b}`);
    expect(same).toEqual({ out: "verified 3, different 0\n", err: "", code: 0 });
    const other = await holdfast("check", `sqlite:${a}`, `sqlite:${c}`);
    expect(other.err).toBe('"app/3": only in the second, version 4\n');
    expect(other.code).toBe(1);
    const some = await holdfast("check", `sqlite:${a}`, `sqlite:${c}`, "--prefix", "app/2");
    expect(some).toEqual({ out: "verified 1, different 0\n", err: "", code: 0 });
  });
});

describe("export and import", () => {
  it("move a store through a file that only its owner may read", async () => {
    const [from, dir] = [await database(), fresh()];
    const [path, to] = [join(dir, "export.jsonl"), join(dir, "to.db")];
    const exported = await holdfast("export", `sqlite:${from}`, path);
    expect(exported).toEqual({ out: "exported 5, verified 5\n", err: "", code: 0 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const printed = await holdfast("export", `sqlite:${from}`);
    expect(printed).toEqual({ out: readFileSync(path, "utf8"), err: "", code: 0 });
    const imported = await holdfast("import", path, `sqlite:${to}`);
    expect(imported.out).toBe("moved 5, already there 0, conflicts 0, verified 5\n");
    const checked = await holdfast("check", `sqlite:${from}`, `sqlite:${to}`);
    expect(checked.code).toBe(0);
  });

  it("do not overwrite a file", async () => {
    const path = join(fresh(), "export.jsonl");
    writeFileSync(path, "mine");
    const ended = await holdfast("export", `sqlite:${await database()}`, path);
    expect(ended.err).toBe(`holdfast: there is a file ${path} already; export overwrites none\n`);
    expect(ended.code).toBe(1);
    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  it("refuse a file that is not whole before anything of it is imported", async () => {
    const [from, dir] = [await database(), fresh()];
    const path = join(dir, "export.jsonl");
    await holdfast("export", `sqlite:${from}`, path);
    writeFileSync(path, readFileSync(path, "utf8").split("\n").slice(0, 4).join("\n"));
    const to = join(dir, "to.db");
    const ended = await holdfast("import", path, `sqlite:${to}`, "--batch", "1");
    expect(ended.err).toMatch(
      /^holdfast: [^\n]*export\.jsonl, line 5 is damaged: the file ends[^\n]+\n$/,
    );
    expect(ended.code).toBe(1);
    expect(existsSync(to)).toBe(false);
  });
});

describe.skipIf(!canStartRedis())("Redis", () => {
  let server: OwnRedis;
  let url = "";
  const password = "the-password";
  beforeAll(async () => {
    server = await ownRedis();
    const client = new Redis(server.url);
    await client.config("SET", "requirepass", password);
    client.disconnect();
    url = server.url.replace("//", `//:${password}@`);
  });
  afterAll(() => server.stop());

  it("takes a database, keeps it apart by its prefix and gives it back", async () => {
    const [from, to] = [await database(250), join(fresh(), "to.db")];
    const there = await holdfast("copy", `sqlite:${from}`, `${url}#shop:`);
    expect(there.out).toBe("moved 250, already there 0, conflicts 0, verified 250\n");
    expect(there.code).toBe(0);
    const elsewhere = await holdfast("check", `sqlite:${from}`, url);
    expect(elsewhere.out).toBe("verified 0, different 250\n");
    const back = await holdfast("copy", `${url}#shop:`, `sqlite:${to}`);
    expect(back.out).toBe("moved 250, already there 0, conflicts 0, verified 250\n");
    expect((await holdfast("check", `sqlite:${from}`, `sqlite:${to}`)).code).toBe(0);
  });

  it("with nothing under the prefix that is named is told of it, and ends with 1", async () => {
    const ended = await holdfast("copy", `${url}#shpo:`, `sqlite:${join(fresh(), "to.db")}`);
    expect(ended.out).toBe("moved 0, already there 0, conflicts 0, verified 0\n");
    expect(ended.err).toMatch(/^redis:\/\/127\.0\.0\.1:\d+#shpo: has no record; /m);
    expect(ended.err).not.toContain(password);
    expect(ended.code).toBe(1);
  });

  it("with a wrong password is told in one line, without the password", async () => {
    const wrong = url.replace(password, `${password}-not`);
    const ended = await holdfast("export", wrong);
    expect(ended.err).toMatch(/^holdfast: [^\n]+\n$/);
    expect(ended.err).not.toContain(password);
    expect([ended.out, ended.code]).toEqual(["", 1]);
  });
});

const postgresUrl = await findPostgres();

describe.skipIf(postgresUrl === undefined)("PostgreSQL", () => {
  it("takes a database into the tables that are named, and is checked against it", async () => {
    const [from, table] = [await database(250), freshTable()];
    const address = `${postgresUrl}#${table}`;
    try {
      const there = await holdfast("copy", `sqlite:${from}`, address);
      expect(there.out).toBe("moved 250, already there 0, conflicts 0, verified 250\n");
      expect(there.code).toBe(0);
      const rows = await runSql(postgresUrl ?? "", `SELECT version::int FROM ${table}_record`);
      expect(rows).toHaveLength(250);
      expect((await holdfast("check", address, `sqlite:${from}`)).code).toBe(0);
      const misspelt = await holdfast("check", `${address}x`, `sqlite:${from}`);
      expect(misspelt.err).toContain(`#${table}x has no tables and counts as empty; copy makes`);
      expect(misspelt.err).toContain(`#${table}x has no record`);
      expect(misspelt.code).toBe(1);
      for (const command of [["check"], ["copy", "--check-only"]]) {
        const unmade = await holdfast(...command, address, `${address}x`);
        expect(unmade.out).toBe("verified 0, different 250\n");
        expect(unmade.err).toContain(`#${table}x has no tables`);
        expect(unmade.code).toBe(1);
      }
    } finally {
      await dropTables(postgresUrl ?? "", table);
    }
  });

  it("that is not there is told in one line, without the password", async () => {
    const ended = await holdfast("check", "postgres://me:the-password@127.0.0.1:1/db", "file:.");
    expect(ended.err).toMatch(/^holdfast: PostgreSQL at 127\.0\.0\.1:1\/db [^\n]+\n$/);
    expect(ended.err).not.toContain("the-password");
    expect(ended.code).toBe(1);
  });
});

describe("a prefix that no key has", () => {
  it.each(["copy", "check", "export"])("is told by %s, which ends with 1", async (command) => {
    const [address, dir] = [`sqlite:${await database()}`, fresh()];
    const second = command === "export" ? join(dir, "file") : `sqlite:${await database()}`;
    const ended = await holdfast(command, address, second, "--prefix", "ap/");
    expect(ended.err).toBe(
      `no key of ${address} starts with "ap/"; ` +
        'keys of the default namespace start with "holdfast/"\n',
    );
    expect(ended.code).toBe(1);
    expect(existsSync(join(dir, "file"))).toBe(false);
  });
});

describe("the command line", () => {
  it("--version is that of the package", async () => {
    const ended = await holdfast("--version");
    expect(ended.out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
    expect([ended.err, ended.code]).toEqual(["", 0]);
  });

  it("a reader who has enough is no failure to tell of", async () => {
    const path = await database(20_000);
    const all = [PROGRAM, "export", `sqlite:${path}`];
    const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.once("data", () => child.stdout.destroy());
    let err = "";
    child.stderr.on("data", (text: Buffer) => {
      err += text.toString();
    });
    const [code]: readonly unknown[] = await once(child, "close");
    expect([err, code]).toEqual(["", 1]);
  });

  it("--help is printed and is no error", async () => {
    const ended = await holdfast("--help");
    expect(ended.out).toContain("copy FROM TO");
    expect([ended.err, ended.code]).toEqual(["", 0]);
  });

  it.each([
    [["copy", "sqlite:a", "sqlite:b", "--force"], "--force is no option of copy; it has --prefix"],
    [["copy", "sqlite:absent.db", "sqlite:b"], "there is no store at absent.db"],
    [["export", "sqlite://absent.db"], "without //"],
  ])("%j is refused in one line", async (args, reason) => {
    const ended = await holdfast(...args);
    expect(ended.err).toMatch(/^holdfast: [^\n]+\n$/);
    expect(ended.err).toContain(reason);
    expect([ended.out, ended.code]).toEqual(["", 2]);
  });

  it("a store that cannot be used is told in one line", async () => {
    const path = join(fresh(), "store.db");
    writeFileSync(path, "no database".repeat(1000));
    const ended = await holdfast("export", `sqlite:${path}`);
    expect(ended.err).toMatch(/^holdfast: [^\n]+damaged[^\n]+\n$/);
    expect(ended.code).toBe(1);
  });
});

describe("a command that fails with --json", () => {
  it("prints the error as an object on standard error, and no result", async () => {
    const path = join(fresh(), "none.db");
    writeFileSync(path, "this is no database, but a text that is long enough to be read as one");
    const failed = await holdfast("ls", `sqlite:${path}`, "--json");
    expect([failed.code, failed.out]).toEqual([1, ""]);
    const { error } = JSON.parse(failed.err) as { error: unknown };
    expect(error).toEqual({ code: expect.any(String), message: expect.any(String) });
    const wrong = await holdfast("ls", "--json");
    expect([wrong.code, wrong.out]).toEqual([2, ""]);
    expect(JSON.parse(wrong.err)).toMatchObject({ error: { code: "USAGE" } });
    const none = await holdfast("ls", `sqlite:${path}`, "--namespace", "");
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining("must not be empty") });
  });
});
