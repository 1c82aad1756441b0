/** A primary dies behind Sentinel: the store follows to the replica that takes its place. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { describe, it, onTestFinished } from "vitest";
import { redisStore } from "../../src/stores/redis/store.ts";
import { freePort, untilListening } from "../support/port.ts";
import { canStartRedis, ownRedis } from "../support/redis.ts";
import { startAppenders } from "./appenders.ts";

const NAME = "main";

/** Starts a Sentinel that watches the primary on `primaryPort`, alone. */
async function startSentinel(primaryPort: number): Promise<number> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "holdfast-sentinel-"));
  const file = join(dir, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${dir}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 1`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 5000`,
  ];
  writeFileSync(file, lines.join("\n"));
  const sentinel = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
  onTestFinished(async () => {
    const gone = once(sentinel, "exit");
    sentinel.kill("SIGKILL");
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });
  await untilListening(port, sentinel);
  return port;
}

/** Waits until what a server says of itself contains `text`. */
async function says(port: number, section: string, text: string): Promise<void> {
  const client = new Redis(port, "127.0.0.1");
  client.on("error", () => undefined);
  while (!(await client.info(section)).includes(text)) await sleep(50);
  client.disconnect();
}

describe.runIf(canStartRedis())("a primary that dies behind Sentinel", () => {
  it("takes nothing with it that its replica had confirmed", { timeout: 60_000 }, async () => {
    const plain = ["--save", "", "--repl-diskless-sync-delay", "0"];
    const primary = await ownRedis(plain);
    onTestFinished(() => primary.remove());
    const replica = await ownRedis([...plain, "--replicaof", "127.0.0.1", `${primary.port}`]);
    onTestFinished(() => replica.remove());
    await says(primary.port, "replication", "state=online");
    const sentinel = await startSentinel(primary.port);
    await says(sentinel, "sentinel", "slaves=1");
    const client = new Redis({ sentinels: [{ host: "127.0.0.1", port: sentinel }], name: NAME });
    client.on("error", () => undefined);
    onTestFinished(() => client.disconnect());
    const wait = { replicas: 1, timeoutMs: 50 };
    const stores = [1, 2, 3].map(() =>
      redisStore({ client, wait, timeoutMs: 20_000, appendfsync: "no" }),
    );
    const load = startAppenders(stores, { key: "k", each: 20, large: true });
    await load.reached(15);
    await primary.stop();
    await load.done();
    await says(replica.port, "replication", "role:master");
    for (const store of stores) await store.close();
  });
});
