/** Places on servers where a test's processes meet, as `openStore` knows them; removed after it. */
import { afterAll, it } from "vitest";
import { dropTables, findPostgres, freshTable } from "./postgres.ts";
import { findRedis, testKeys } from "./redis.ts";

const redisUrl = (await findRedis()) ?? "";

/** Gives places nobody has used, on one kind of server. */
export interface ServerPlaces {
  readonly kind: string;
  readonly fresh: () => string;
}

/** Calls `body` when there is a server of this kind; else there is one skipped test in its place. */
export async function onServer(
  kind: "redis" | "postgres",
  body: (places: ServerPlaces) => void,
): Promise<void> {
  const places = kind === "redis" ? await redisPlaces() : await postgresPlaces();
  if (places === undefined) it.skip(`on ${kind}`);
  else body(places);
}

async function redisPlaces(): Promise<ServerPlaces | undefined> {
  if (redisUrl === "") return undefined;
  const keys = testKeys(redisUrl);
  afterAll(() => keys.remove());
  let count = 0;
  const fresh = (): string => {
    count += 1;
    return `${redisUrl}#${keys.prefix}${count}:`;
  };
  return { kind: "redis", fresh };
}

async function postgresPlaces(): Promise<ServerPlaces | undefined> {
  const url = await findPostgres();
  if (url === undefined) return undefined;
  const tables: string[] = [];
  afterAll(() => dropTables(url, ...tables));
  const fresh = (): string => {
    const table = freshTable();
    tables.push(table);
    return `${url}#${table}`;
  };
  return { kind: "postgres", fresh };
}
