/** Leases: what becomes of a late owner, of a lost answer, and of a commit beside the release. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { postgresStore } from "../../../../src/stores/postgres/store.ts";
import type { PostgresStoreOptions } from "../../../../src/stores/postgres/options.ts";
import type { ScopeWrite, StateStore, WriteResult } from "../../../../src/stores/contract.ts";
import {
  dropTables,
  findPostgres,
  freshTable,
  lockRow,
  runSql,
} from "../../../support/postgres.ts";
import { startProxy } from "../../../support/tcp-proxy.ts";

const found = await findPostgres();
const url = found ?? "postgres://127.0.0.1/none";
const table = freshTable();

type Store = StateStore & Required<Pick<StateStore, "exclusive">>;

function open(options: Partial<PostgresStoreOptions> = {}): Store {
  const store = postgresStore({ url, table, ...options });
  onTestFinished(() => store.close());
  // Of this store the suite knows that it has it.
  return store as Store;
}

function step(key: string, version: number): ScopeWrite {
  return { key, expectedVersion: version - 1, version, state: { n: version } };
}

/** Waits until the server has `count` statements on these tables waiting for a lock. */
async function untilWaiting(count: number): Promise<void> {
  for (let round = 0; round < 500; round += 1) {
    const [row] = await runSql(
      url,
      "SELECT count(*)::int AS n FROM pg_stat_activity " +
        `WHERE wait_event_type = 'Lock' AND query LIKE '%${table}_record%'`,
    );
    if (row?.["n"] === count) return;
    await sleep(10);
  }
  expect.unreachable();
}

describe.skipIf(found === undefined)("an exclusive turn in PostgreSQL", () => {
  afterAll(() => dropTables(url, table));

  it("that is late for a key of which nothing is left ends in a conflict", async () => {
    const [late, next] = [open(), open()];
    const results = await late.exclusive("gone", 100, async () => {
      await sleep(200);
      await next.exclusive("gone", 1_000, async () => undefined);
      return late.commit([step("gone", 1)]);
    });
    expect(results).toEqual([{ ok: false, current: undefined }]);
  });

  it("leaves no lease when it ends before its commit", async () => {
    const store = open();
    let committing: Promise<WriteResult[]> | undefined;
    let free = async (): Promise<void> => undefined;
    const over = store.exclusive("early", 30_000, async () => {
      free = await lockRow(url, table, "early");
      committing = store.commit([step("early", 1)]);
      await untilWaiting(1);
    });
    await untilWaiting(2);
    await free();
    await over;
    expect(await committing).toEqual([{ ok: true, version: 1 }]);
    expect(await open().commit([step("early", 2)])).toEqual([{ ok: true, version: 2 }]);
  });

  it("that never ran leaves nothing in doubt, and no lease", async () => {
    const proxy = await startProxy(Number(new URL(url).port));
    onTestFinished(() => proxy.close());
    const address = new URL(url);
    address.port = String(proxy.port);
    await open().commit([step("lost", 1)]);
    const store = open({ url: address.href, poolSize: 1, timeoutMs: 2_000 });
    await store.load(["lost"]);
    const dropped = proxy
      .dropNextReply((request) => request.includes("holdfast_lease_"))
      .then(() => proxy.refuse());
    const turn = store.exclusive("lost", 30_000, async () => expect.unreachable());
    await expect(turn).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await dropped;
  });
});
