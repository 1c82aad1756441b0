/** PostgreSQL servers that tests start themselves. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { freePort, untilUp } from "./port.ts";

const run = promisify(execFile);
const HOST = "127.0.0.1";

/** A server of a test's own. */
export interface OwnPostgres {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  /** Stops all its processes where they are, or lets them go on. */
  freeze(): void;
  thaw(): void;
  /** Ends it as a crash does: without a checkpoint, cutting all connections. */
  stop(): Promise<void>;
  /** Stops it and removes its data. */
  destroy(): Promise<void>;
}

/** Where the server's programs are, if they are installed. */
export function postgresPrograms(): string | undefined {
  const dirs = (process.env["PATH"] ?? "").split(delimiter);
  const base = "/usr/lib/postgresql";
  if (existsSync(base)) {
    const versions = readdirSync(base).toSorted((a, b) => Number(b) - Number(a));
    dirs.push(...versions.map((version) => join(base, version, "bin")));
  }
  return dirs.find((dir) => dir !== "" && existsSync(join(dir, "initdb")));
}

/** True when a server answers at a URL. */
export async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Who is let in: the role postgres without a password, all others with one. */
const ACCESS = `host all postgres ${HOST}/32 trust\nhost all all ${HOST}/32 scram-sha-256\n`;

/** Starts a new server with these lines of its configuration. It syncs its commits by default. */
export async function ownPostgres(lines: readonly string[] = []): Promise<OwnPostgres> {
  const bin = postgresPrograms();
  if (bin === undefined) throw new Error("no PostgreSQL is installed");
  const dir = mkdtempSync(join(tmpdir(), "holdfast-postgres-"));
  const data = join(dir, "data");
  const port = await freePort();
  const user = serverUser();
  mkdirSync(data, { mode: 0o700 });
  if (user.uid !== undefined && user.gid !== undefined)
    for (const path of [dir, data]) chownSync(path, user.uid, user.gid);
  const how = ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"];
  await run(join(bin, "initdb"), how, { ...user, cwd: dir });
  const settings = [
    `port = ${port}`,
    `listen_addresses = '${HOST}'`,
    `unix_socket_directories = ''`,
    "max_connections = 60",
    ...lines,
  ];
  appendFileSync(join(data, "postgresql.conf"), `${settings.join("\n")}\n`);
  writeFileSync(join(data, "pg_hba.conf"), ACCESS);
  let server: ChildProcess | null = null;
  const signal = (name: "SIGSTOP" | "SIGCONT"): void => {
    if (server?.pid === undefined) return;
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended by itself meanwhile, as the processes of closed connections do.
      }
    }
  };
  const own: OwnPostgres = {
    port,
    url: `postgres://postgres@${HOST}:${port}/postgres`,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    async start() {
      server = spawn(join(bin, "postgres"), ["-D", data], { ...user, cwd: dir, stdio: "ignore" });
      await untilUp(server, () => answers(own.url));
    },
    async stop() {
      if (server === null || server.exitCode !== null) return;
      own.thaw();
      const gone = once(server, "exit");
      server.kill("SIGQUIT");
      await gone;
      server = null;
    },
    async destroy() {
      await own.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
  await own.start();
  return own;
}

/** The server refuses to run as root: then it runs as the user its package made. */
function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const number = (flag: string): number =>
    Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  return { uid: number("-u"), gid: number("-g") };
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", `${pid}`], { encoding: "utf8" });
  return stdout.split("\n").flatMap((line) => (line.trim() === "" ? [] : [Number(line)]));
}
