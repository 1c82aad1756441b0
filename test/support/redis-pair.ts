/** Two Redis servers behind one address: a primary and its replica, which can take over. */
import { Redis } from "ioredis";
import { type OwnRedis, ownRedis } from "./redis.ts";
import { startProxy } from "./tcp-proxy.ts";

/** The two servers. */
export interface RedisPair {
  /** Leads to the primary; a connection stays with the server it was made to. */
  readonly url: string;
  readonly first: OwnRedis;
  readonly second: OwnRedis;
  /**
   * The replica becomes the primary and the primary its replica, and new connections lead to the
   * new one. Present connections stay: they are with a server that is read-only now.
   */
  failOver(): Promise<void>;
  /** Runs a command on one of the servers. */
  call(server: OwnRedis, command: string, ...args: string[]): Promise<unknown>;
  remove(): Promise<void>;
}

const HOST = "127.0.0.1";
const POLL_MS = 20;

/** Starts both and waits until the replica has what the primary has. */
export async function startRedisPair(): Promise<RedisPair> {
  const [first, second] = [await ownRedis(), await ownRedis()];
  const admins = new Map([first, second].map((own) => [own, new Redis(own.url)] as const));
  const proxy = await startProxy(first.port);
  const call = async (own: OwnRedis, command: string, ...args: string[]): Promise<unknown> =>
    admins.get(own)?.call(command, ...args);
  const untilLinked = async (replica: OwnRedis): Promise<void> => {
    for (;;) {
      if (String(await call(replica, "INFO", "replication")).includes("master_link_status:up"))
        return;
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    }
  };
  const follow = async (replica: OwnRedis, primary: OwnRedis): Promise<void> => {
    // The first copy starts at once instead of after some seconds.
    await call(primary, "CONFIG", "SET", "repl-diskless-sync-delay", "0");
    await call(replica, "REPLICAOF", HOST, String(primary.port));
    await untilLinked(replica);
  };
  await follow(second, first);
  return {
    url: `redis://${HOST}:${proxy.port}`,
    first,
    second,
    call,
    async failOver() {
      // WAIT waits for what its own connection wrote, and so for all that was written before.
      await call(first, "SET", "last", "1");
      await call(first, "WAIT", "1", "0");
      await call(second, "REPLICAOF", "NO", "ONE");
      await follow(first, second);
      proxy.lead(second.port);
    },
    async remove() {
      await proxy.close();
      for (const admin of admins.values()) admin.disconnect();
      await first.remove();
      await second.remove();
    },
  };
}
