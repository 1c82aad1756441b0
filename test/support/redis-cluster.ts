/** A Redis Cluster on loopback: three primaries with a replica each. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { freePort, untilListening } from "./port.ts";

const HOST = "127.0.0.1";
const NODES = 6;
const run = promisify(execFile);

/** A running Cluster. */
export interface TestCluster {
  readonly host: string;
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Kills the node on `port`. */
  kill(port: number): Promise<void>;
  /** Kills all and removes what they kept. */
  remove(): Promise<void>;
}

/**
 * Starts a Cluster and waits until it serves all slots and every replica has its data. A primary
 * that is silent for `nodeTimeoutMs` is replaced; by default longer than a busy machine keeps one.
 */
export async function startCluster(nodeTimeoutMs = 30_000): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-cluster-"));
  const servers = new Map<number, ChildProcess>();
  const kill = async (port: number): Promise<void> => {
    const server = servers.get(port);
    if (server === undefined) return;
    servers.delete(port);
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  };
  const remove = async (): Promise<void> => {
    await Promise.all([...servers.keys()].map(kill));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    while (servers.size < NODES) {
      const port = await freePort();
      servers.set(port, await startNode(port, join(dir, String(port)), nodeTimeoutMs));
    }
    const addresses = [...servers.keys()].map((port) => `${HOST}:${port}`);
    const create = ["--cluster", "create", ...addresses, "--cluster-replicas", "1"];
    await run("redis-cli", [...create, "--cluster-yes"]);
    for (const port of servers.keys()) await settled(port);
  } catch (error) {
    await remove();
    throw error;
  }
  const nodes = [...servers.keys()].map((port) => ({ host: HOST, port }));
  return { host: HOST, nodes, kill, remove };
}

async function startNode(port: number, dir: string, nodeTimeoutMs: number): Promise<ChildProcess> {
  mkdirSync(dir);
  const bus = await freePort();
  const place = ["--port", `${port}`, "--cluster-port", `${bus}`, "--bind", HOST, "--dir", dir];
  const cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", `${nodeTimeoutMs}`];
  const nothing = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
  const server = spawn("redis-server", [...place, ...cluster, ...nothing], { stdio: "ignore" });
  await untilListening(port, server);
  return server;
}

/** Waits until a node sees all slots served and, if it is a replica, has its primary's data. */
async function settled(port: number): Promise<void> {
  const client = new Redis(port, HOST);
  client.on("error", () => undefined);
  for (;;) {
    const [info, replication] = await Promise.all([
      client.cluster("INFO"),
      client.info("replication"),
    ]);
    const isServed = info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:6");
    if (isServed && !replication.includes("master_link_status:down")) break;
    await sleep(50);
  }
  client.disconnect();
}
