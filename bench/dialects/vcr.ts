/** Keys of a session: `holdfast/vcr` on Redis and in memory beside plain commands of ioredis. */
import { Redis } from "ioredis";
import type * as Entry from "../../src/vcr.ts";
import { canStartRedis, ownRedis } from "../../test/support/redis.ts";
import { urlOf } from "../subject.ts";
import type { Counted, Kept, Match, Side } from "./side.ts";

const { createVcr, State }: typeof Entry = await import(urlOf("vcr"));

const NOTE =
  "The original's package needs its platform; its state answers with what a Redis server says, " +
  "so the base is GET and SET of JSON through ioredis.";

let made = 0;

function bare(url: string): Side {
  return {
    name: "ioredis",
    async open(document): Promise<Kept> {
      const client = new Redis(url);
      const key = `bench-bare-${(made += 1)}`;
      const read = async (): Promise<Counted> => {
        // Only documents of this bench are under the key.
        return JSON.parse((await client.get(key)) ?? "{}") as Counted;
      };
      await client.set(key, JSON.stringify(document));
      return {
        async turn(pause) {
          const found = await read();
          await pause();
          await client.set(key, JSON.stringify({ ...found, n: found.n + 1 }));
        },
        count: async () => (await read()).n,
        close: async () => {
          await client.del(key);
          await client.quit();
        },
      };
    },
  };
}

function ours(name: string, redis: string | undefined): Side {
  return {
    name,
    async open(document): Promise<Kept> {
      const vcr = createVcr(redis === undefined ? {} : { redis });
      const state = new State(vcr.createSession());
      await state.set("document", document);
      return {
        turn: (pause) =>
          state.update<Counted>("document", async (found) => {
            await pause();
            return { ...found, n: Number(found?.n) + 1 };
          }),
        count: async () => (await state.get<Counted>("document"))?.n ?? 0,
        close: async () => {
          await state.delete("document");
          await vcr.close();
        },
      };
    },
  };
}

/** Calls `work` with the match while a Redis server runs; with nothing where there is none. */
export async function* withVcr<T>(work: (match: Match) => AsyncIterable<T>): AsyncIterable<T> {
  if (!canStartRedis()) return;
  const server = await ownRedis();
  try {
    const sides = [ours("holdfast/vcr on redis", server.url), ours("holdfast/vcr", undefined)];
    yield* work({ dialect: "vcr", original: bare(server.url), ours: sides, note: NOTE });
  } finally {
    await server.remove();
  }
}
