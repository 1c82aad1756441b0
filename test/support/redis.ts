/** Redis for tests: the server of REDIS_URL, the one that runs here, or one of their own. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll } from "vitest";
import { freePort, isListening, untilListening } from "./port.ts";

const HOST = "127.0.0.1";
const PORT = 6379;
/** The program of a test's own server. */
const SERVER = process.env["REDIS_SERVER"] ?? "redis-server";

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
export async function ownRedis(
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
      await untilListening(port, server);
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

let found: Promise<string | undefined> | undefined;

/**
 * The URL of a server that tests share; `undefined` when there is none: one line says so, or, with
 * REQUIRE_SERVERS=1, the test file fails.
 */
export function findRedis(): Promise<string | undefined> {
  found ??= lookForRedis();
  return found;
}

async function lookForRedis(): Promise<string | undefined> {
  const given = process.env["REDIS_URL"];
  if (given !== undefined) return given;
  if (await isListening(PORT)) return `redis://${HOST}:${PORT}`;
  if (!canStartRedis()) return undefined;
  const own = await ownRedis();
  afterAll(() => own.remove());
  return own.url;
}

/** True when a server of a test's own can be started; as `findRedis` else. */
export function canStartRedis(): boolean {
  const isInstalled = spawnSync(SERVER, ["--version"], { stdio: "ignore" }).status === 0;
  if (isInstalled) return true;
  if (process.env["REQUIRE_SERVERS"] === "1") throw new Error("no Redis server to test with");
  console.log("skipped: no Redis server; set REDIS_URL or install one");
  return false;
}
