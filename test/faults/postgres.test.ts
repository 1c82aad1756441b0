/** PostgreSQL that crashes, hangs, cuts connections and loses answers under acknowledged writes. */
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import type { PostgresStoreOptions } from "../../src/stores/postgres/options.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { startChild } from "../support/child.ts";
import { startWrites } from "../support/marked-writes.ts";
import { canStartPostgres, freshTable, runSql } from "../support/postgres.ts";
import { type OwnPostgres, ownPostgres } from "../support/postgres-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { served, until } from "../support/waiting.ts";

let server: OwnPostgres;

function open(options: PostgresStoreOptions): StateStore {
  const store = postgresStore({ poolSize: 4, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The server's address by way of a proxy. */
function through(proxy: TcpProxy): string {
  return server.url.replace(`${server.port}`, `${proxy.port}`);
}

/** True of a request that runs the statement of a commit, parsed before or not. */
function isCommit(request: Buffer): boolean {
  return request.includes("holdfast_commit");
}

describe.skipIf(!canStartPostgres())("on a server of its own", () => {
  beforeAll(async () => {
    server = await ownPostgres();
  });
  afterAll(() => server.destroy());

  it("a crash and restart loses no acknowledged write and applies none twice", async () => {
    const table = freshTable();
    const stores = [1, 2].map(() => open({ url: server.url, table, timeoutMs: 10_000 }));
    const writes = startWrites(stores);
    for (let round = 1; round <= 3; round += 1) {
      const before = writes.acknowledged();
      await until(() => writes.acknowledged() > before + 30);
      await server.stop();
      await server.start();
    }
    const before = writes.acknowledged();
    await until(() => writes.acknowledged() > before + 30);
    await writes.finish(open({ url: server.url, table }));
  });

  it("three seconds without an answer are waited out", async () => {
    const table = freshTable();
    const writes = startWrites([open({ url: server.url, table })]);
    await until(() => writes.acknowledged() > 20);
    server.freeze();
    await sleep(3_000);
    server.thaw();
    const before = writes.acknowledged();
    await until(() => writes.acknowledged() > before + 20);
    await writes.finish(open({ url: server.url, table }));
    expect([...writes.failures]).toEqual([]);
  });

  it("connections that are cut are replaced", async () => {
    const table = freshTable();
    const writes = startWrites([1, 2].map(() => open({ url: server.url, table })));
    for (let round = 0; round < 10; round += 1) {
      const before = writes.acknowledged();
      await until(() => writes.acknowledged() > before + 10);
      await runSql(
        server.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
          "WHERE application_name = 'holdfast'",
      );
    }
    await writes.finish(open({ url: server.url, table }));
    expect([...writes.failures]).toEqual([]);
  });

  it("an answer that is lost is found out", async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const store = open({ url: through(proxy), poolSize: 1, table: freshTable() });
    await store.load(["k"]);
    const asked = proxy.asked();
    for (let version = 1; version <= 20; version += 1) {
      const dropped = proxy.dropNextReply(isCommit);
      const write = { key: "k", expectedVersion: version - 1, version, state: { n: version } };
      const add = [{ version, at: version, entry: "a change" }];
      const history = version % 2 === 0 ? { add, keep: { versions: 3 } } : undefined;
      expect(await store.commit([{ ...write, history }])).toEqual([{ ok: true, version }]);
      await dropped;
    }
    expect(await store.load(["k"])).toEqual([{ version: 20, state: { n: 20 } }]);
    const rows = await store.history?.("k");
    expect(rows?.map(({ version }) => version)).toEqual([20, 18, 16]);
    // Each of them was sent again, on another connection.
    expect(proxy.asked() - asked).toBeGreaterThanOrEqual(20);
  });

  it.each([
    ["the ok it was, after 200 writes of another", 200, 1],
    ["unknown, after writes of too many others to remember", 0, 65],
  ])("a lost answer is %s", { timeout: 60_000 }, async (_outcome, commits, others) => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const table = freshTable();
    // Longer than the writes of others take.
    const store = open({ url: through(proxy), poolSize: 1, table, timeoutMs: 50_000 });
    const other = open({ url: server.url, table });
    await store.load(["k"]);
    const dropped = proxy.dropNextReply(isCommit).then(() => proxy.refuse());
    const writing = store.commit([{ key: "k", expectedVersion: 0, version: 1, state: 0 }]);
    const outcome = expect(writing);
    const checked =
      commits === 0
        ? outcome.rejects.toMatchObject({ code: "COMMIT_UNKNOWN" })
        : outcome.resolves.toEqual([{ ok: true, version: 1 }]);
    await dropped;
    for (let n = 1; n <= commits; n += 1) {
      const write = { key: "k", expectedVersion: n, version: n + 1, state: n };
      expect(await other.commit([write])).toEqual([{ ok: true, version: n + 1 }]);
    }
    for (let n = 1; n < others; n += 1) {
      const one = postgresStore({ url: server.url, table, poolSize: 1 });
      const write = { key: "k", expectedVersion: n, version: n + 1, state: n };
      expect(await one.commit([write])).toEqual([{ ok: true, version: n + 1 }]);
      await one.close();
    }
    const [row] = await runSql(
      server.url,
      `SELECT cardinality(ops) AS count FROM ${table}_record WHERE key = 'k'`,
    );
    expect(Number(row?.["count"])).toBeLessThanOrEqual(64);
    proxy.accept();
    await checked;
  });

  it("the lost answer to a COMMIT is found out", async () => {
    const proxy = await startProxy(server.port);
    const pool = new Pool({ connectionString: through(proxy) });
    onTestFinished(async () => {
      await pool.end();
      await proxy.close();
    });
    let dropped = 0;
    const drop = async (): Promise<void> => {
      await proxy.dropNextReply();
      dropped += 1;
    };
    pool.on("connect", (client) => {
      const send = client.query.bind(client) as (query: { text: string }) => Promise<unknown>;
      const query = (config: { text: string }): Promise<unknown> => {
        if (config.text === "COMMIT" && dropped < 10) void drop();
        return send(config);
      };
      Object.assign(client, { query });
    });
    const store = open({ pool, table: freshTable() });
    for (let version = 1; version <= 10; version += 1) {
      const write = { key: "k", expectedVersion: version - 1, version, state: { n: version } };
      const batch = [write, { ...write, key: "l" }];
      expect(await store.commit(batch, { atomic: true })).toEqual([
        { ok: true, version },
        { ok: true, version },
      ]);
    }
    expect(dropped).toBe(10);
    const record = { version: 10, state: { n: 10 } };
    expect(await store.load(["k", "l"])).toEqual([record, record]);
  });

  it("answers lost under load apply nothing twice", async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const table = freshTable();
    const url = through(proxy);
    const writes = startWrites([open({ url, table }), open({ url: server.url, table })]);
    for (let round = 0; round < 40; round += 1) {
      const before = writes.acknowledged();
      await until(() => writes.acknowledged() > before + 5);
      await proxy.dropNextReply(isCommit);
    }
    await writes.finish(open({ url: server.url, table }));
  });

  it("P2: a process that is stopped in an atomic commit keeps nobody out for long", async () => {
    const table = freshTable();
    const store = open({ url: server.url, table, timeoutMs: 20_000 });
    const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
    await store.commit([write, { ...write, key: "l" }]);
    const child = startChild("atomic-stopper.ts", [server.url, table]);
    onTestFinished(() => void child.process.kill("SIGKILL"));
    await child.started;
    expect(child.output()).toBe("stopped\n");
    const next = { ...write, expectedVersion: 1, version: 2, state: 2 };
    expect(await store.commit([next])).toEqual([{ ok: true, version: 2 }]);
    expect(await store.load(["l"])).toEqual([{ version: 1, state: 1 }]);
  });

  it("a server that hangs ends in an unknown outcome, and serves again later", async () => {
    const table = freshTable();
    const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
    await open({ url: server.url, table }).commit([write]);
    const store = open({ url: server.url, table, timeoutMs: 400 });
    await served(() => store.load(["k"])); // Leaves an idle connection, which the next commit is sent on.
    server.freeze();
    try {
      await expect(
        store.commit([{ ...write, expectedVersion: 1, version: 2, state: 2 }]),
      ).rejects.toMatchObject({ code: "COMMIT_UNKNOWN" });
      await expect(store.load(["k"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    } finally {
      server.thaw();
    }
    // The connections were given up, so what was sent on them may still be served, once.
    const [record] = await served(() => store.load(["k"]));
    expect([1, 2]).toContain(record?.version);
  });

  it("a server that is away is a typed error, at the start and later, and no restart is needed", async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const url = `postgres://postgres:secret@127.0.0.1:${proxy.port}/postgres`;
    const table = freshTable();
    const store = open({ url, table, timeoutMs: 300 });
    const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
    const away = { code: "STORE_UNAVAILABLE", message: expect.not.stringContaining("secret") };
    proxy.refuse();
    await expect(store.load(["k"])).rejects.toMatchObject(away);
    await expect(store.commit([write])).rejects.toMatchObject(away);
    await expect(store.watch?.(() => undefined)).rejects.toMatchObject(away);
    await expect(store.exclusive?.("k", 100, async () => 1)).rejects.toMatchObject(away);
    proxy.accept();
    expect(await served(() => store.load(["k"]))).toEqual([undefined]);
    expect(await open({ url, table }).commit([write])).toEqual([{ ok: true, version: 1 }]);
    proxy.refuse();
    await expect(store.commit([{ ...write, key: "l" }])).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:STORE_UNAVAILABLE|COMMIT_UNKNOWN)$/),
    });
    proxy.accept();
    expect(await served(() => store.load(["k"]))).toEqual([{ version: 1, state: 1 }]);
  });

  it("whoever watches misses nothing over cut connections and a restart", async () => {
    const table = freshTable();
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const url = through(proxy);
    const watching = open({ url, table });
    const writing = open({ url: server.url, table });
    const observed = new Set<string>();
    let missed = 0;
    await watching.watch?.(
      (key) => observed.add(key),
      () => (missed += 1),
    );
    const write = async (key: string): Promise<void> => {
      await writing.commit([{ key, expectedVersion: 0, version: 1, state: 1 }]);
    };
    await write("before");
    await until(() => observed.has("before"));
    expect(missed).toBe(0);
    proxy.refuse();
    const asked = proxy.asked();
    await write("meanwhile");
    await sleep(1_000);
    // With pauses that double, not one right after the other.
    expect(proxy.asked() - asked).toBeLessThan(10);
    proxy.accept();
    await until(() => observed.has("meanwhile"));
    // A promoted standby would not tell by its numbers what the old primary took with it.
    await until(() => missed === 1);
    await server.stop();
    await server.start();
    await write("after");
    await until(() => observed.has("after"));
    expect([...observed]).toEqual(["before", "meanwhile", "after"]);
  });

  it("the lease of an owner whose connections are cut still keeps others out", async () => {
    const table = freshTable();
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.close());
    const url = through(proxy);
    const [store, other] = [open({ url, table }), open({ url: server.url, table })];
    const write = { key: "k", expectedVersion: 0, version: 1, state: 1 };
    await store.exclusive?.("k", 5_000, async () => {
      proxy.cut();
      expect(await other.commit([write])).toEqual([{ ok: false, current: undefined }]);
      expect(await store.commit([write])).toEqual([{ ok: true, version: 1 }]);
    });
    expect(await other.commit([{ ...write, expectedVersion: 1, version: 2 }])).toEqual([
      { ok: true, version: 2 },
    ]);
  });
});
