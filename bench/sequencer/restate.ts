/** Restate: its server, and a service in a process of Node 22, which its SDK needs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/port.ts";
import { type Absent, type Done, type Engine, runIds } from "./engine.ts";
import { peerPath, startPeer } from "./peers.ts";

const NAME = "Restate, its own log";
const START_ATTEMPTS = 240;
const WAIT_MS = 250;
const BINARY = `@restatedev/restate-server-${process.platform}-${process.arch}`;

/** Starts both. */
export function restate(): Promise<Engine | Absent> {
  return startPeer(NAME, BINARY, async () => {
    const dir = mkdtempSync(join(tmpdir(), "holdfast-bench-restate-"));
    const children: ChildProcess[] = [];
    const close = async (): Promise<void> => {
      for (const child of children) await end(child);
      rmSync(dir, { recursive: true, force: true });
    };
    try {
      return { name: NAME, run: await start(dir, children), close };
    } catch (error) {
      await close();
      throw error;
    }
  });
}

async function start(dir: string, children: ChildProcess[]): Promise<Engine["run"]> {
  const [service, ingress, admin, node] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const host = "127.0.0.1";
  const server = {
    RESTATE_BIND_IP: host,
    RESTATE_BIND_PORT: String(node),
    RESTATE_LISTEN_MODE: "tcp",
    RESTATE_INGRESS__BIND_ADDRESS: `${host}:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `${host}:${admin}`,
    RESTATE_BASE_DIR: dir,
    RESTATE_DISABLE_TELEMETRY: "true",
    RESTATE_LOG_FILTER: "error",
    DO_NOT_TRACK: "1",
  };
  const binary = peerPath(`${BINARY}/bin/restate-server`);
  const script = fileURLToPath(new URL("restate-service.ts", import.meta.url));
  children.push(spawn(binary, { env: { ...process.env, ...server }, stdio: "ignore", cwd: dir }));
  children.push(
    spawn(peerPath("node/bin/node"), [script, String(service)], {
      env: { ...process.env, NODE_NO_WARNINGS: "1", RESTATE_LOGGING: "ERROR" },
      stdio: ["ignore", "ignore", "inherit"],
    }),
  );
  await register(`http://${host}:${admin}/deployments`, `http://${host}:${service}`, children);
  return (count) => Promise.all(runIds(count).map((id) => call(`http://${host}:${ingress}`, id)));
}

/** Tells the server of the service as soon as both are up. */
async function register(
  url: string,
  uri: string,
  children: readonly ChildProcess[],
): Promise<void> {
  let reason = "it does not answer";
  for (let attempt = 0; attempt < START_ATTEMPTS; attempt += 1) {
    if (children.some(({ exitCode, pid }) => exitCode !== null || pid === undefined))
      throw new Error("the server or the service ended at once");
    const response = await post(url, { uri, use_http_11: false, force: true }).catch(String);
    if (typeof response !== "string" && response.ok) return;
    reason = typeof response === "string" ? response : await response.text();
    await sleep(WAIT_MS); // A server says by answering that it is up; nothing else does.
  }
  throw new Error(`the server did not start: ${reason}`);
}

async function call(ingress: string, runId: string): Promise<Done> {
  const response = await post(`${ingress}/count/run`, { runId });
  if (!response.ok) throw new Error(`Restate gave ${response.status}: ${await response.text()}`);
  return (await response.json()) as Done; // As `restate-service.ts` returns it.
}

function post(url: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}
