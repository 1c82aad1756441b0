/** The storages the suite runs on. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createRuntime } from "holdfast";
import { fileStore } from "holdfast/file";
import { sqliteStore } from "holdfast/sqlite";
import {
  FileStorage,
  MemoryStorage,
  RedisStorage,
  RuntimeStorage,
  type Storage,
  type StorageLike,
  type TurnActivity,
} from "holdfast/turn-state";
import { Redis } from "ioredis";
import { findRedis } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

/** One storage, and a second object that sees the same documents. */
export interface Place {
  readonly storage: StorageLike;
  readonly again: StorageLike;
  /** Writes without waiting for a turn, as another process does; absent where nothing can. */
  readonly beside?: (documents: Record<string, unknown>) => Promise<void>;
  close(): Promise<void>;
}

/** An activity of one conversation and user. */
export function activity(conversation: string, user = "u1"): Required<TurnActivity> {
  return {
    channelId: "msteams",
    recipient: { id: "b1" },
    conversation: { id: conversation },
    from: { id: user },
  };
}

/** A storage with the three verbs and nothing else, as somebody else might write it. */
export class PlainStorage implements Storage {
  readonly texts: Map<string, string> = new Map<string, string>();
  readonly calls: string[] = [];

  async read(keys: string[]): Promise<Record<string, unknown>> {
    this.calls.push(`read ${keys.length}`);
    await Promise.resolve();
    const found = keys.flatMap((key) => {
      const text = this.texts.get(key);
      return text === undefined ? [] : [[key, JSON.parse(text)] as const];
    });
    return Object.fromEntries(found);
  }

  async write(changes: Record<string, unknown>): Promise<void> {
    this.calls.push(`write ${Object.keys(changes).length}`);
    await Promise.resolve();
    for (const [key, value] of Object.entries(changes)) this.texts.set(key, JSON.stringify(value));
  }

  async delete(keys: string[]): Promise<void> {
    this.calls.push(`delete ${keys.length}`);
    await Promise.resolve();
    for (const key of keys) this.texts.delete(key);
  }
}

/** Every kind of storage; `dir` is a fresh directory. */
export function placesIn(dir: string): Readonly<Record<string, () => Place>> {
  return {
    memory: () => {
      const place = same(new MemoryStorage());
      return { ...place, beside: (documents) => place.storage.write(documents) };
    },
    files: () => files(join(dir, randomUUID())),
    redis,
    "a storage of three verbs": () => same(new PlainStorage()),
    "a runtime in memory": () => {
      const runtime = createRuntime();
      return {
        storage: { runtime },
        again: new MemoryStorage({ runtime }),
        close: () => runtime.close(),
      };
    },
    "a runtime on sqlite": () => onSqlite(join(dir, `${randomUUID()}.db`)),
    "a runtime on files": () => {
      const runtime = createRuntime({ store: fileStore({ dir: join(dir, randomUUID()) }) });
      const storage = new RuntimeStorage({ runtime });
      return { storage, again: { runtime }, close: () => runtime.close() };
    },
  };
}

function same(storage: Storage): Place & { readonly storage: Storage } {
  return { storage, again: storage, close: () => Promise.resolve() };
}

function files(dir: string): Place {
  const close = (): Promise<void> => Promise.resolve();
  const again = new FileStorage(dir);
  const beside: Place["beside"] = (documents) => again.write(documents);
  return { storage: new FileStorage(dir), again, beside, close };
}

/** Two runtimes on one database, as two processes have them. */
function onSqlite(path: string): Place {
  const runtimes = [0, 1].map(() => createRuntime({ store: sqliteStore({ path }) }));
  const [storage, again] = runtimes.map((runtime) => ({ runtime }));
  if (storage === undefined || again === undefined) throw new Error("two were made");
  const close = async (): Promise<void> => {
    for (const runtime of runtimes) await runtime.close();
  };
  const beside: Place["beside"] = (documents) => new RuntimeStorage(again).write(documents);
  return { storage, again, beside, close };
}

function redis(): Place {
  const keyPrefix = `holdfast-test:${randomUUID()}:`;
  const storage = new RedisStorage(redisUrl, { keyPrefix });
  const client = new Redis(redisUrl);
  const again = new RedisStorage(client, { keyPrefix });
  const close = async (): Promise<void> => {
    const keys = await client.keys(`${keyPrefix}*`);
    if (keys.length > 0) await client.del(keys);
    await storage.close();
    await again.close();
    await client.quit();
  };
  return { storage, again, beside: (documents) => again.write(documents), close };
}
