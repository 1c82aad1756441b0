/** Redis servers for tests: the one that runs here, and some of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

const HOST = "127.0.0.1";
const PORT = 6379;
/** The program of a test's own server. */
const SERVER = process.env["REDIS_SERVER"] ?? "redis-server";

/** The address of the Redis server that runs here, or of the one that `REDIS_URL` names. */
export const redisUrl: string = process.env["REDIS_URL"] ?? `redis://${HOST}:${PORT}`;

/**
 * True when there is a Redis server. When there is none, one line says so, or, with
 * REQUIRE_SERVERS=1, the test file fails.
 */
export async function hasRedis(): Promise<boolean> {
  const { hostname, port } = new URL(redisUrl);
  if (await answers(Number(port || PORT), hostname)) return true;
  if (process.env["REQUIRE_SERVERS"] === "1") throw new Error(`no Redis server at ${redisUrl}`);
  console.log(`skipped: no Redis server at ${redisUrl}`);
  return false;
}

/** A server of a test's own, which it may stop and start. */
export interface OwnRedis {
  readonly url: string;
  readonly port: number;
  /** Starts it on what it kept. */
  start(): Promise<void>;
  /** Kills it. */
  stop(): Promise<void>;
  /** Sends it a signal, as SIGSTOP. */
  signal(name: NodeJS.Signals): void;
  /** Kills it and removes what it kept. */
  remove(): Promise<void>;
}

/** Starts a server with these settings; by default it keeps nothing on disk. */
export async function startRedis(
  settings: readonly string[] = ["--save", "", "--appendonly", "no"],
): Promise<OwnRedis> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
  let server: ChildProcess | null = null;
  const own: OwnRedis = {
    url: `redis://${HOST}:${port}`,
    port,
    async start() {
      const options = ["--port", `${port}`, "--bind", HOST, "--dir", dir, ...settings];
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
    signal(name) {
      server?.kill(name);
    },
    async remove() {
      await own.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await own.start();
  return own;
}

/** The settings of a server that keeps every acknowledged write. */
export const durableSettings: readonly string[] =
  "--appendonly yes --appendfsync always --maxmemory-policy noeviction".split(" ");

/** A client whose keys start with a text of their own; `close` removes them. */
export function testClient(
  url: string,
  options: { readonly stringNumbers?: boolean } = {},
): { readonly client: Redis; readonly close: () => Promise<void> } {
  const keys = testKeys(url);
  const client = new Redis(url, { keyPrefix: keys.prefix, ...options });
  const close = async (): Promise<void> => {
    // First, so that nothing it still had to send comes after the removal.
    client.disconnect();
    await keys.remove();
  };
  return { client, close };
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

/** True when something listens on a port, of this machine by default. */
export async function answers(port: number, host: string = HOST): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}
