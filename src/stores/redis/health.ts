/**
 * Looks at a Redis server: its version, its clock, its memory, and what it keeps of one store. Its
 * settings are checked by the handshake.
 */
import type { Redis } from "ioredis";
import { clockFinding, type Finding } from "../shared/finding.ts";
import { loadDriver } from "./driver.ts";
import { DEFAULT_PREFIX } from "./options.ts";

/** A part of `maxmemory` above which the server soon evicts or refuses. */
const MEMORY_MAX = 0.9;

/** Keys that are looked at in one request. */
const SCANNED_AT_ONCE = 1_000;

/** Looks at the server, and at the keys that begin with `prefix`; rejects when it is away. */
export async function redisHealth(
  url: string,
  prefix: string = DEFAULT_PREFIX,
): Promise<Finding[]> {
  const { Redis } = await loadDriver();
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => undefined); // The calls reject.
  try {
    await client.connect();
    const before = Date.now();
    const [seconds, micros] = await client.time();
    const clock = clockFinding(Number(seconds) * 1000 + Number(micros) / 1000, before, Date.now());
    const version = /^redis_version:(\S+)/m.exec(await client.info("server"))?.[1];
    return [
      { name: "redis", level: "info", text: `version ${version ?? "unknown"}` },
      clock,
      memoryFinding(await client.info("memory")),
      ...(await keptFindings(client, prefix)),
    ];
  } finally {
    client.disconnect();
  }
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

/** The finding about the memory of a server, by what it says of it. */
export function memoryFinding(info: string): Finding {
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? Number.NaN);
  const [used, most] = [of("used_memory"), of("maxmemory")];
  const limit = most > 0 ? ` of ${mebibytes(most)}` : ", no limit is set";
  const isFull = most > 0 && used > most * MEMORY_MAX;
  const text = Number.isNaN(used) ? "unknown" : `${mebibytes(used)} used${limit}`;
  return { name: "memory", level: isFull ? "warning" : "ok", text };
}

/** Tombstones and leases of this server; a Cluster has more of them on its other nodes. */
async function keptFindings(client: Redis, prefix: string): Promise<Finding[]> {
  const match = `${prefix.replace(/[\\*?[\]]/g, String.raw`\$&`)}{*`;
  const stream = client.scanStream({ match, count: SCANNED_AT_ONCE });
  let [tombstones, leases] = [0, 0];
  for await (const found of stream) {
    const keys = found as string[];
    leases += keys.filter((key) => key.endsWith("}:lease")).length;
    const pipeline = client.pipeline();
    for (const key of keys) if (key.endsWith("}")) pipeline.hget(key, "m");
    const forms = (await pipeline.exec()) ?? [];
    tombstones += forms.filter(([, form]) => form === "d").length;
  }
  return [
    { name: "tombstones", level: "info", text: `${tombstones}` },
    { name: "leases", level: "info", text: `${leases}` },
  ];
}
