/** A Redis server for tests: the one that runs here, or one of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

const HOST = "127.0.0.1";
const PORT = 6379;
/** The program of a test's own server. */
const SERVER = process.env["REDIS_SERVER"] ?? "redis-server";

/** The address of the Redis server that runs on this machine. */
export const redisUrl: string = `redis://${HOST}:${PORT}`;

/**
 * True when a Redis server runs on this machine. When none does, one line says so, or, with
 * REQUIRE_SERVERS=1, the test file fails.
 */
export async function hasRedis(): Promise<boolean> {
  if (await answers(PORT)) return true;
  if (process.env["REQUIRE_SERVERS"] === "1") throw new Error(`no Redis server at ${redisUrl}`);
  console.log(`skipped: no Redis server at ${redisUrl}`);
  return false;
}

/** A server of a test's own, which it may stop and start. */
export interface OwnRedis {
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server that keeps nothing on disk. */
export async function startRedis(): Promise<OwnRedis> {
  const port = await freePort();
  let server: ChildProcess | null = null;
  const own: OwnRedis = {
    url: `redis://${HOST}:${port}`,
    async start() {
      const options = ["--port", `${port}`, "--bind", HOST, "--save", "", "--appendonly", "no"];
      server = spawn(SERVER, options, { stdio: "ignore" });
      while (!(await answers(port))) await sleep(10);
    },
    async stop() {
      if (server === null) return;
      const gone = once(server, "exit");
      server.kill("SIGKILL");
      server = null;
      await gone;
    },
  };
  await own.start();
  return own;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** A text that begins the keys of one test file, and the way to remove them all. */
export function testKeys(url: string): { readonly prefix: string; remove(): Promise<void> } {
  const prefix = `holdfast-test-${process.pid}-${Math.random().toString(36).slice(2)}:`;
  const remove = async (): Promise<void> => {
    const client = new Redis(url);
    const keys = await client.keys(`${prefix}*`);
    while (keys.length > 0) await client.del(...keys.splice(0, 1000));
    client.disconnect();
  };
  return { prefix, remove };
}
