/** The PostgreSQL of a bench: that of POSTGRES_URL, else the usual one of this machine. */
import { Client } from "pg";
import { familySeconds } from "./cpu.ts";
import { plainUrl, ServerAbsentError, type Server } from "./contract.ts";

const USUAL_URL = "postgres://postgres@127.0.0.1:5432/test";

const SETTINGS = ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers"];

/** Finds the server and makes a database for this run; rejects when there is none. */
export async function startPostgres(): Promise<Server> {
  const given = process.env["POSTGRES_URL"] ?? USUAL_URL;
  const admin = new Client({ connectionString: given });
  admin.on("error", () => undefined); // The next query rejects.
  await admin.connect().catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServerAbsentError(
      `the bench of postgres needs a server, and ${plainUrl(given)} does not answer ` +
        `(${reason}): start one, or set POSTGRES_URL`,
      { cause },
    );
  });
  // A database of its own, so that all a store makes goes with it.
  const name = `holdfast_bench_${process.pid}`;
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(given);
  url.pathname = `/${name}`;
  const pid = await postmaster(admin);
  return {
    url: url.href,
    line: await lineOf(admin),
    cpuSeconds: () => (pid === undefined ? undefined : familySeconds(pid, "postgres")),
    stop: async () => {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}

async function lineOf(admin: Client): Promise<string> {
  const show = async (name: string): Promise<string> => {
    const { rows } = await admin.query<Record<string, string>>(`SHOW ${name}`);
    return rows[0]?.[name] ?? "unknown";
  };
  const version = await show("server_version");
  const settings: string[] = [];
  for (const name of SETTINGS) settings.push(`${name} ${await show(name)}`);
  return `server: PostgreSQL ${version}, ${settings.join(", ")}`;
}

/** The process whose children serve; `undefined` to those who may not know. */
async function postmaster(admin: Client): Promise<number | undefined> {
  try {
    const { rows } = await admin.query<{ text: string }>(
      "SELECT pg_read_file('postmaster.pid') AS text",
    );
    return Number(rows[0]?.text.split("\n")[0]);
  } catch {
    return undefined;
  }
}
