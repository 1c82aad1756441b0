/** Looks at a Redis server: its version and clock. Its settings are checked by the handshake. */
import { clockFinding, type Finding } from "../shared/finding.ts";
import { loadDriver } from "./driver.ts";

/** Looks at the server; rejects when it cannot be reached. */
export async function redisHealth(url: string): Promise<Finding[]> {
  const { Redis } = await loadDriver();
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => undefined); // The calls reject.
  try {
    await client.connect();
    const before = Date.now();
    const [seconds, micros] = await client.time();
    const clock = clockFinding(Number(seconds) * 1000 + Number(micros) / 1000, before, Date.now());
    const version = /^redis_version:(\S+)/m.exec(await client.info("server"))?.[1];
    return [{ name: "redis", level: "info", text: `version ${version ?? "unknown"}` }, clock];
  } finally {
    client.disconnect();
  }
}
