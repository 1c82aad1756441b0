/** The Redis of a bench: that of REDIS_URL, else one of its own that appends to a file. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "../../test/support/port.ts";
import { processSeconds } from "./cpu.ts";
import { plainUrl, redisPrefix, ServerAbsentError, type Server } from "./contract.ts";

const START_ATTEMPTS = 200;

/** Finds or starts a server; rejects when there is none. */
export async function startRedis(): Promise<Server> {
  const given = process.env["REDIS_URL"];
  if (given !== undefined) return describe(given, removeKeys);
  const dir = mkdtempSync(join(tmpdir(), "holdfast-bench-redis-"));
  const port = await freePort();
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
  const child = spawn("redis-server", [...place, "--appendonly", "yes"], { stdio: "ignore" });
  const stop = (): Promise<void> => end(child, dir);
  const missing = once(child, "error").then(() => {
    throw absent("redis-server is not installed");
  });
  const url = `redis://127.0.0.1:${port}`;
  try {
    await Promise.race([answers(url), missing]);
  } catch (error) {
    await stop();
    throw error;
  }
  return describe(url, stop);
}

async function describe(url: string, stop: (client: Redis) => Promise<void>): Promise<Server> {
  const client = await connect(url).catch((cause: unknown) => {
    throw absent(`${plainUrl(url)} does not answer`, cause);
  });
  const info = await client.info("server");
  const setting = async (name: string): Promise<string> => {
    // Some servers refuse to show their settings.
    const [, value = "unknown"] = await client.config("GET", name).then(textsOf, () => []);
    return `${name} ${value === "" ? "none" : value}`;
  };
  const settings = await Promise.all(["appendonly", "appendfsync", "save"].map(setting));
  const field = (name: string): string => new RegExp(`^${name}:(.*)$`, "m").exec(info)?.[1] ?? "";
  const pid = Number(field("process_id"));
  return {
    url,
    line: `server: Redis ${field("redis_version").trim()}, ${settings.join(", ")}`,
    cpuSeconds: () => processSeconds(pid, "redis-server"),
    stop: async () => {
      await stop(client);
      client.disconnect();
    },
  };
}

/** `CONFIG GET` answers a flat list of names and values. */
function textsOf(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map(String) : [];
}

/** One connection that gives up at once. */
async function connect(url: string): Promise<Redis> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null });
  client.on("error", () => undefined); // The rejection has it.
  await client.connect();
  return client;
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
    try {
      const client = await connect(url);
      client.disconnect();
      return;
    } catch {
      await sleep(25); // A server says by answering that it is up; nothing else does.
    }
  }
  throw absent("redis-server did not start");
}

async function end(child: ChildProcess, dir: string): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null) {
    const closed = once(child, "close");
    child.kill();
    await closed;
  }
  rmSync(dir, { recursive: true, force: true });
}

async function removeKeys(client: Redis): Promise<void> {
  for await (const keys of client.scanStream({ match: `*${redisPrefix}*`, count: 1000 })) {
    // A scan gives lists of keys.
    const found = keys as string[];
    if (found.length > 0) await client.unlink(...found);
  }
}

function absent(reason: string, cause?: unknown): Error {
  const text = `${reason}: set REDIS_URL to a server, or install redis-server`;
  return new ServerAbsentError(`the bench of redis needs a server, and ${text}`, { cause });
}
