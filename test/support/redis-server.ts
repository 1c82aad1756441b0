/** A real Redis server for tests: the one of `REDIS_URL`, or one started on a free port. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";

/** A server, and how to leave it. */
export interface TestRedis {
  readonly url: string;
  /** Stops the server if it was started here. */
  readonly stop: () => Promise<void>;
}

const isInstalled = spawnSync("redis-server", ["--version"]).status === 0;

/** True when there is a server to test with; else says so once, or fails where servers are required. */
export function hasRedis(): boolean {
  if (process.env["REDIS_URL"] !== undefined || isInstalled) return true;
  if (process.env["REQUIRE_SERVERS"] === "1")
    throw new Error("redis-server is not installed and REDIS_URL is not set");
  console.log("skipped: tests on Redis need redis-server or REDIS_URL");
  return false;
}

/** The given server, or a new one that keeps nothing. */
export async function startRedis(): Promise<TestRedis> {
  const given = process.env["REDIS_URL"];
  if (given !== undefined) return { url: given, stop: () => Promise.resolve() };
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir];
  const server = spawn("redis-server", [...flags, "--save", "", "--appendonly", "no"], {
    stdio: "ignore",
  });
  const closed = new Promise<void>((resolve) => {
    server.once("close", () => resolve());
  });
  const url = `redis://127.0.0.1:${port}`;
  await answers(url);
  return {
    url,
    stop: async () => {
      server.kill();
      await closed;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A client whose keys start with a text of their own; `close` removes them. */
export function testClient(
  url: string,
  options: { readonly stringNumbers?: boolean } = {},
): { readonly client: Redis; readonly close: () => Promise<void> } {
  const keyPrefix = `holdfast-test-${process.pid}-${Math.random().toString(36).slice(2)}:`;
  const client = new Redis(url, { keyPrefix, ...options });
  const close = async (): Promise<void> => {
    const plain = new Redis(url);
    const keys = await plain.keys(`${keyPrefix}*`);
    if (keys.length > 0) await plain.del(...keys);
    plain.disconnect();
    client.disconnect();
  };
  return { client, close };
}

async function answers(url: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null });
  client.on("error", () => undefined);
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      await client.connect();
      client.disconnect();
      return;
    } catch {
      await wait(25); // The server says by answering that it is up; nothing else does.
    }
  }
  throw new Error("redis-server did not start");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
