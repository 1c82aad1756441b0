/**
 * Leases and times to live at servers go by the server's clock: a process whose own is 40 s off, in
 * either direction, neither takes what another one holds nor waits longer for it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { postgresStore } from "../../../src/stores/postgres/store.ts";
import { redisStore } from "../../../src/stores/redis/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { commitOk, exclusiveOf, expectConflict, write } from "../../../src/testing/suite-case.ts";
import { dropTables, findPostgres, freshTable } from "../../support/postgres.ts";
import { findRedis, testKeys } from "../../support/redis.ts";

const SKEW_MS = 40_000;
const TURN_MS = 10_000;
const SHORT_MS = 200;

/** Runs `work` as a process does whose clock is `offsetMs` off. */
async function skewed<T>(offsetMs: number, work: () => Promise<T>): Promise<T> {
  const real = Date.now.bind(Date);
  const clock = vi.spyOn(Date, "now").mockImplementation(() => real() + offsetMs);
  try {
    return await work();
  } finally {
    clock.mockRestore();
  }
}

function describeSkew(name: string, open: () => StateStore): void {
  const opened = (): StateStore => {
    const store = open();
    onTestFinished(() => store.close());
    return store;
  };
  describe.each([SKEW_MS, -SKEW_MS])(`${name}, at a process whose clock is %i ms off`, (offset) => {
    const key = `k${offset}`;

    it("a lease of another is in force, and free when it ends", async () => {
      const [owner, other] = [opened(), opened()];
      await commitOk(owner, write(key, 0, { n: 1 }));
      await exclusiveOf(owner)(key, TURN_MS, async () => {
        await skewed(offset, async () => {
          const [result] = await other.commit([write(key, 1, { n: 9 })]);
          expectConflict(result, 1, { n: 1 });
          const turn = exclusiveOf(other)(key, SHORT_MS, () => Promise.reject(new Error("ran")));
          await expect(turn).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
        });
        await commitOk(owner, write(key, 1, { n: 2 }));
      });
      await skewed(offset, () =>
        exclusiveOf(other)(key, TURN_MS, () => commitOk(other, write(key, 2, { n: 3 }))),
      );
    });

    it("its own lease lasts as long as the server says", async () => {
      const [owner, other] = [opened(), opened()];
      await skewed(offset, () =>
        exclusiveOf(owner)(`own${key}`, TURN_MS, async () => {
          const [result] = await other.commit([write(`own${key}`, 0, { n: 9 })]);
          expectConflict(result, 0, undefined);
          await commitOk(owner, write(`own${key}`, 0, { n: 1 }));
        }),
      );
      await skewed(offset, () =>
        exclusiveOf(owner)(`late${key}`, SHORT_MS, async () => {
          await sleep(2 * SHORT_MS);
          await exclusiveOf(other)(`late${key}`, TURN_MS, () =>
            commitOk(other, write(`late${key}`, 0, { n: 1 })),
          );
          const [late] = await owner.commit([write(`late${key}`, 0, { n: 9 })]);
          expectConflict(late, 1, { n: 1 });
        }),
      );
    });

    it("a record lives until its time at the server, also for a check", async () => {
      const [owner, other] = [opened(), opened()];
      await commitOk(owner, write(`ttl${key}`, 0, { n: 1 }, { ttlMs: SKEW_MS / 2 }));
      await skewed(offset, async () => {
        const [record] = await other.load([`ttl${key}`]);
        expect(record).toMatchObject({ version: 1, state: { n: 1 } });
        expect(record?.leftMs).toBeLessThanOrEqual(SKEW_MS / 2);
        const checks = [{ key: `ttl${key}`, expectedVersion: 0 }];
        const [stale] = await other.commit([], { checks });
        expectConflict(stale, 1, { n: 1 });
      });
    });
  });
}

const redisUrl = await findRedis();
const postgresUrl = await findPostgres();

if (redisUrl === undefined) describe.skip("redis", () => undefined);
else {
  const keys = testKeys(redisUrl);
  afterAll(() => keys.remove());
  describeSkew("redis", () =>
    redisStore({ url: redisUrl, keyPrefix: keys.prefix, appendfsync: "no" }),
  );
}

if (postgresUrl === undefined) describe.skip("postgres", () => undefined);
else {
  const table = freshTable();
  afterAll(() => dropTables(postgresUrl, table));
  describeSkew("postgres", () => postgresStore({ url: postgresUrl, table, poolSize: 2 }));
}
