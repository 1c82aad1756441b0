/** PostgreSQL for tests: the server of POSTGRES_URL, the one that runs here, or one of their own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
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
import { Client } from "pg";
import { afterAll, onTestFinished } from "vitest";
import { freePort, untilUp } from "./port.ts";

const HOST = "127.0.0.1";
const HERE = `postgres://postgres@${HOST}:5432/test`;

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
function programs(): string | undefined {
  const dirs = (process.env["PATH"] ?? "").split(delimiter);
  const base = "/usr/lib/postgresql";
  if (existsSync(base)) {
    const versions = readdirSync(base).toSorted((a, b) => Number(b) - Number(a));
    dirs.push(...versions.map((version) => join(base, version, "bin")));
  }
  return dirs.find((dir) => dir !== "" && existsSync(join(dir, "initdb")));
}

async function answers(url: string): Promise<boolean> {
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

function none(): undefined {
  if (process.env["REQUIRE_SERVERS"] === "1") throw new Error("no PostgreSQL server to test with");
  console.log("skipped: no PostgreSQL server; set POSTGRES_URL or install one");
  return undefined;
}

/**
 * The URL of a server with a database to test in; `undefined` when there is none: one line says so,
 * or, with REQUIRE_SERVERS=1, the test file fails.
 */
export async function findPostgres(): Promise<string | undefined> {
  const given = process.env["POSTGRES_URL"];
  if (given !== undefined) return given;
  if (await answers(HERE)) return HERE;
  const own = programs() === undefined ? undefined : await ownPostgres();
  if (own === undefined) return none();
  afterAll(() => own.destroy());
  return own.url;
}

/** True when a server of a test's own can be started; as `findPostgres` else. */
export function canStartPostgres(): boolean {
  if (programs() !== undefined) return true;
  none();
  return false;
}

/** A name for tables nobody else has. */
export function freshTable(): string {
  return `t${process.pid}_${Math.random().toString(36).slice(2, 10)}`;
}

/** Runs SQL; gives the rows. */
export async function runSql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(text);
    return result.rows;
  } finally {
    await client.end();
  }
}

/** Locks the row of `key` until the function it gives is called, or the test ends. */
export async function lockRow(
  url: string,
  table: string,
  key: string,
): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN");
  await client.query(`SELECT 1 FROM ${table}_record WHERE key = $1 FOR UPDATE`, [key]);
  let isOver = false;
  const free = async (): Promise<void> => {
    if (!isOver) await client.end();
    isOver = true;
  };
  onTestFinished(free);
  return free;
}

/** Removes the tables of a store. */
export async function dropTables(url: string, table: string): Promise<void> {
  const names = ["record", "patch", "meta"].map((suffix) => `"${table}_${suffix}"`);
  await runSql(url, `DROP TABLE IF EXISTS ${names.join(", ")}`);
}

/** Who is let in: the role postgres without a password, all others with one. */
const ACCESS = `host all postgres ${HOST}/32 trust\nhost all all ${HOST}/32 scram-sha-256\n`;

/** Starts a new server that syncs its commits to disk. */
export async function ownPostgres(): Promise<OwnPostgres> {
  const bin = programs();
  if (bin === undefined) throw new Error("no PostgreSQL is installed");
  const dir = mkdtempSync(join(tmpdir(), "holdfast-postgres-"));
  const data = join(dir, "data");
  const port = await freePort();
  const user = serverUser();
  mkdirSync(data, { mode: 0o700 });
  if (user.uid !== undefined && user.gid !== undefined)
    for (const path of [dir, data]) chownSync(path, user.uid, user.gid);
  const made = spawnSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"],
    { ...user, cwd: dir, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const settings = [
    `port = ${port}`,
    `listen_addresses = '${HOST}'`,
    `unix_socket_directories = ''`,
    "max_connections = 60",
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
