/** Checks in PostgreSQL: how they travel, how long they hold, and which server answers them. */
import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import {
  afterAll,
  beforeAll,
  describe,
  expect,
  it,
  type MockInstance,
  onTestFinished,
  vi,
} from "vitest";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { ScopeWrite, StateStore, VersionCheck } from "../../../../src/stores/contract.ts";
import {
  canStartPostgres,
  dropTables,
  findPostgres,
  freshTable,
  runSql,
} from "../../../support/postgres.ts";
import { ownPostgres, type OwnPostgres } from "../../../support/postgres-server.ts";
import { startProxy } from "../../../support/tcp-proxy.ts";
import { served } from "../../../support/waiting.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();
const ROUNDS = 30;
const SHORT_MS = 800;

function write(key: string, expectedVersion: number, more: Partial<ScopeWrite> = {}): ScopeWrite {
  const version = expectedVersion + 1;
  return { key, expectedVersion, version, state: { n: version }, ...more };
}

function check(key: string, expectedVersion: number): VersionCheck {
  return { key, expectedVersion };
}

function open(options: Partial<PostgresStoreOptions> = {}): StateStore {
  const store = postgresStore({ url, table, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** Counts what is sent to servers from here on. */
function sentQueries(): MockInstance<(...given: unknown[]) => unknown> {
  const sent = vi.spyOn(Client.prototype, "query");
  onTestFinished(() => sent.mockRestore());
  return sent;
}

/** Waits until so many statements on the table wait for a lock. */
async function untilWaiting(count: number): Promise<void> {
  const waiting =
    "SELECT count(*)::int AS n FROM pg_stat_activity " +
    `WHERE wait_event_type = 'Lock' AND query LIKE '%${table}_record%'`;
  await vi.waitFor(
    async () => {
      const [row] = await runSql(url, waiting);
      expect(row?.["n"]).toBe(count);
    },
    { timeout: 20_000 },
  );
}

describe.skipIf(found === undefined)("checks", () => {
  afterAll(() => dropTables(url, table));

  it("are one statement alone, and none of their own beside writes", async () => {
    const store = open({ poolSize: 1 });
    await store.commit([write("a", 0), write("b", 0)]);
    const sent = sentQueries();
    const count = async (work: Promise<unknown>): Promise<number> => {
      sent.mockClear();
      await work;
      // Who watches is told in the background.
      return sent.mock.calls.filter(([query]) => !Object(query).name?.includes("_tell_")).length;
    };
    const checks = [check("b", 1), check("none", 0)];
    expect(await count(store.commit([], { checks }))).toBe(1);
    expect(await count(store.commit([], { checks, atomic: true }))).toBe(1);
    expect(await count(store.commit([write("a", 1)], { checks }))).toBe(1);
    const existing = { checks: [check("b", 1)], atomic: true };
    // BEGIN, the statement, COMMIT.
    expect(await count(store.commit([write("a", 2)], existing))).toBe(3);
  });

  it("of an atomic batch hold until it took effect, without a deadlock", async () => {
    const stores = [open(), open(), open()];
    const keys = ["p", "q", "r"];
    await stores[0]?.commit(keys.map((key) => write(key, 0)));
    const sent = sentQueries();
    for (let round = 1; round <= ROUNDS; round += 1) {
      const versions = (await stores[0]?.load(keys))?.map((record) => record?.version ?? 0) ?? [];
      const at = (index: number): VersionCheck =>
        check(keys[index % 3] ?? "", versions[index % 3] ?? 0);
      // Each writes one key and checks the others, so that of three one can take effect.
      const ends = await Promise.all(
        stores.map((store, index) => {
          const { key, expectedVersion } = at(index);
          const checks = [at(index + 1), at(index + 2), check(`none${round}`, 0)];
          return store.commit([write(key, expectedVersion)], { atomic: true, checks });
        }),
      );
      expect(ends.filter((results) => results.every(({ ok }) => ok)).length).toBe(1);
    }
    const failed = (await Promise.allSettled(sent.mock.results.map(({ value }) => value))).filter(
      ({ status }) => status === "rejected",
    );
    expect(failed).toEqual([]);
    const left = await runSql(url, `SELECT key FROM ${table}_record WHERE key LIKE 'none%'`);
    expect(left).toEqual([]);
  });

  it("of a missing record keep others from making it until the batch took effect", async () => {
    const [store, other] = [open(), open()];
    await store.commit([write("made", 0)]);
    const rival = new Client({ connectionString: url });
    await rival.connect();
    onTestFinished(() => rival.end());
    // The batch waits for the rival after it found that "absent" is missing.
    await rival.query("BEGIN");
    await rival.query(`INSERT INTO ${table}_record (key, version) VALUES ('later', 0)`);
    const batch = store.commit([write("later", 0), write("made", 1)], {
      atomic: true,
      checks: [check("absent", 0)],
    });
    await untilWaiting(1);
    const made = other.commit([write("absent", 0)]);
    await untilWaiting(2);
    await rival.query("ROLLBACK");
    expect((await batch).map(({ ok }) => ok)).toEqual([true, true, true]);
    expect(await made).toEqual([{ ok: true, version: 1 }]);
  });

  it("are not asked again of an atomic batch that took effect and was not answered", async () => {
    const proxy = await startProxy(Number(new URL(url).port || 5432));
    onTestFinished(() => proxy.close());
    const other = open();
    await other.commit([write("rule", 0), write("lost", 0)]);
    const proxied = new URL(url);
    proxied.port = String(proxy.port);
    const store = open({ url: proxied.href, timeoutMs: 10_000 });
    await store.load(["rule"]);
    const lost = proxy.dropNextReply("COMMIT").then(() => proxy.refuse());
    const options = { atomic: true, checks: [check("rule", 1), check("never", 0)] };
    const batch = store.commit([write("lost", 1)], options);
    await lost;
    await other.commit([write("rule", 1), write("never", 0)]);
    proxy.accept();
    expect((await batch).map(({ ok }) => ok)).toEqual([true, true, true]);
    expect((await other.load(["lost"]))[0]?.version).toBe(2);
  });

  it("of a damaged record fail, and make the writes beside them unknown once", async () => {
    const store = open();
    await store.commit([write("damaged", 0), write("beside", 0)]);
    await runSql(url, `UPDATE ${table}_record SET version = 9, state = '{' WHERE key = 'damaged'`);
    const damaged = { code: "CORRUPT_STATE", message: expect.stringContaining('"damaged"') };
    const checks = [check("damaged", 1)];
    const batch = store.commit([write("beside", 1)], { checks });
    await expect(batch).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
    await expect(store.commit([write("beside", 2)], { checks })).rejects.toMatchObject(damaged);
    await expect(store.commit([], { checks })).rejects.toMatchObject(damaged);
    expect((await store.load(["beside"]))[0]?.version).toBe(2);
  });
});

describe.skipIf(!canStartPostgres())("checks at a server", () => {
  let server: OwnPostgres;
  beforeAll(async () => {
    server = await ownPostgres();
  }, 60_000);
  afterAll(() => server?.destroy());

  it("that does not answer leave nothing in doubt", async () => {
    await open({ url: server.url }).commit([write("k", 0)]);
    const store = open({ url: server.url, timeoutMs: SHORT_MS });
    await served(() => store.load(["k"]));
    server.freeze();
    const checked = store.commit([], { checks: [check("k", 1)] });
    await expect(checked).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    server.thaw();
    expect(await served(() => store.commit([], { checks: [check("k", 1)] }))).toHaveLength(1);
  });

  it("that is a standby are refused: its copy may be older", { timeout: 60_000 }, async () => {
    const store = open({ url: server.url, timeoutMs: 30_000 });
    await store.commit([write("s", 0)]);
    const [row] = await runSql(server.url, "SHOW data_directory");
    await runSql(server.url, "CHECKPOINT");
    const data = String(row?.["data_directory"]);
    await server.stop();
    const signal = join(data, "standby.signal");
    writeFileSync(signal, "");
    const { uid, gid } = statSync(data);
    chownSync(signal, uid, gid);
    await server.start();
    expect((await store.load(["s"]))[0]?.version).toBe(1);
    await expect(store.commit([], { checks: [check("s", 1)] })).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("standby"),
    });
  });
});
