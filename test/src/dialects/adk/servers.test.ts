/** Database services by the URL of a server, two of them as two processes have them. */
import { expect, it, onTestFinished } from "vitest";
import { createEvent, createEventActions, DatabaseSessionService } from "../../../../src/adk.ts";
import { findPostgres, freshTable, runSql } from "../../../support/postgres.ts";
import { canStartRedis, ownRedis } from "../../../support/redis.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };
const TURNS = 20;

async function serve(url: string): Promise<void> {
  const services = [new DatabaseSessionService(url), new DatabaseSessionService(url)];
  await services[0]?.createSession({ ...key, state: { a: 1 } });
  await Promise.all(
    services.map(async (service, index) => {
      for (let turn = 0; turn < TURNS; turn += 1) {
        const session = await service.getSession(key);
        if (session === undefined) throw new Error("the session is gone");
        const actions = createEventActions({ stateDelta: { [`k${index}.${turn}`]: turn } });
        await service.appendEvent({ session, event: createEvent({ author: "user", actions }) });
      }
    }),
  );
  for (const service of services) await service.close();
  const last = new DatabaseSessionService(url);
  const session = await last.getSession(key);
  await last.close();
  expect(session?.events).toHaveLength(2 * TURNS);
  expect(Object.keys(session?.state.getAll() ?? {})).toHaveLength(1 + 2 * TURNS);
}

const isThereRedis = canStartRedis();
const postgresUrl = await findPostgres();

it.skipIf(!isThereRedis)("two services on a Redis URL share sessions, lose no event", async () => {
  const own = await ownRedis();
  onTestFinished(() => own.remove());
  await serve(own.url);
});

it.skipIf(postgresUrl === undefined)(
  "two services on a PostgreSQL URL share sessions, lose no event",
  async () => {
    const url = postgresUrl ?? "";
    const database = freshTable();
    await runSql(url, `CREATE DATABASE "${database}"`);
    onTestFinished(async () => {
      await runSql(url, `DROP DATABASE "${database}" WITH (FORCE)`);
    });
    await serve(url.replace(/\/[^/]*$/, `/${database}`));
  },
);
