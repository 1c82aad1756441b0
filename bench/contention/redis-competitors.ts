/** Competitors that only Redis has: its locks, its transactions, and its own arithmetic. */
import KeyvRedis from "@keyv/redis";
import { Mutex } from "async-mutex";
import { Redis } from "ioredis";
import { Keyv } from "keyv";
import Redlock from "redlock";
import { GaveUp, type Competitor, type Counters } from "./competitor.ts";
import type { Increment } from "./by-hand.ts";

const LOCK_MS = 10_000;
const CONNECTIONS = 16;

/** A competitor on plain numbers under keys of their own. */
function onNumbers(
  name: string,
  connections: number,
  make: (clients: readonly Redis[]) => Increment,
): Competitor {
  return {
    name,
    open: async ({ site }, count): Promise<Counters> => {
      const keyPrefix = `${site.path}number:`;
      const clients = Array.from({ length: connections }, () => new Redis(site.url, { keyPrefix }));
      const keys = Array.from({ length: count }, (_, index) => `counter-${index}`);
      await clients[0]?.mset(Object.fromEntries(keys.map((key) => [key, 0])));
      const increment = make(clients);
      return {
        increment: (index) => increment(keys[index] ?? "", index),
        total: async () => {
          for (const client of clients) client.disconnect();
          const reader = new Redis(site.url, { keyPrefix });
          const values = await reader.mget(...keys);
          await reader.quit();
          return values.reduce((sum, value) => sum + Number(value), 0);
        },
      };
    },
  };
}

async function readAndSet(client: Redis | undefined, key: string): Promise<void> {
  const read = await client?.get(key);
  await client?.set(key, Number(read) + 1);
}

/** A lock in Redis around load and save, with the retries redlock has by default. */
export const redlock: Competitor = onNumbers("redlock + ioredis, defaults", 1, (clients) => {
  const [client] = clients;
  const locker = new Redlock([...clients]);
  return async (key) => {
    const lock = await locker.lock(`lock:${key}`, LOCK_MS).catch((error: unknown) => {
      if (error instanceof Error && error.name === "LockError") throw new GaveUp();
      throw error;
    });
    try {
      await readAndSet(client, key);
    } finally {
      await lock.unlock();
    }
  };
});

/** WATCH, GET, MULTI, SET, EXEC until it passes; each attempt has a connection to itself. */
export const watchMulti: Competitor = onNumbers(
  `WATCH/MULTI, ${CONNECTIONS} connections`,
  CONNECTIONS,
  (clients) => {
    const free = [...clients];
    const waiting: ((client: Redis) => void)[] = [];
    const take = async (): Promise<Redis> =>
      free.pop() ?? new Promise((resolve) => void waiting.push(resolve));
    const give = (client: Redis): void => {
      const next = waiting.shift();
      if (next === undefined) free.push(client);
      else next(client);
    };
    return async (key) => {
      const client = await take();
      try {
        for (;;) {
          await client.watch(key);
          const read = await client.get(key);
          const done = await client
            .multi()
            .set(key, Number(read) + 1)
            .exec();
          if (done !== null) return;
        }
      } finally {
        give(client);
      }
    };
  },
);

/** The server adds by itself and keeps nothing else: the limit. */
export const hincrby: Competitor = {
  name: "limit: HINCRBY, pipelined",
  open: async ({ site }, count) => {
    const client = new Redis(site.url, { enableAutoPipelining: true });
    const key = `${site.path}hash`;
    const fields = Array.from({ length: count }, (_, index) => [String(index), "0"]);
    await client.hset(key, ...fields.flat());
    return {
      increment: (index) => client.hincrby(key, String(index), 1),
      total: async () => {
        const values = await client.hvals(key);
        await client.quit();
        return values.reduce((sum, value) => sum + Number(value), 0);
      },
    };
  },
};

/** keyv on its Redis adapter, with a mutex of each counter or with nothing. */
function onKeyv(name: string, isLocked: boolean): Competitor {
  return {
    name,
    losesUpdates: !isLocked,
    open: async ({ site }, count) => {
      const openKeyv = (): Keyv<number> =>
        new Keyv<number>(new KeyvRedis(site.url), { namespace: `${site.path}keyv` });
      const keyv = openKeyv();
      const keys = Array.from({ length: count }, (_, index) => `counter-${index}`);
      const locks = keys.map(() => new Mutex());
      await Promise.all(keys.map((key) => keyv.set(key, 0)));
      const add = async (key: string): Promise<void> => {
        await keyv.set(key, Number(await keyv.get(key)) + 1);
      };
      return {
        increment: async (index) => {
          const key = keys[index] ?? "";
          return isLocked ? locks[index]?.runExclusive(() => add(key)) : add(key);
        },
        total: async () => {
          await keyv.disconnect();
          const reader = openKeyv();
          const values = await Promise.all(keys.map((key) => reader.get(key)));
          await reader.disconnect();
          return values.reduce<number>((sum, value) => sum + Number(value), 0);
        },
      };
    },
  };
}

/** Load and save through keyv under a mutex. */
export const mutexKeyv: Competitor = onKeyv("async-mutex + keyv", true);
/** The same without the mutex. */
export const keyvAlone: Competitor = onKeyv("keyv, no lock", false);
