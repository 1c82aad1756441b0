/** The servers of a bench: what is absent is said, and what processes used is read. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { familySeconds, machineSeconds, processSeconds } from "../../bench/servers/cpu.ts";
import { ServerAbsentError } from "../../bench/servers/contract.ts";
import { serverOf, withServer } from "../../bench/servers/server.ts";

/** What a bench of `store` ends with, before it could measure anything. */
async function startOf(store: string): Promise<unknown> {
  const work = withServer(store, async function* sections() {
    yield "measured";
  });
  try {
    for await (const section of work) return section;
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("a bench", () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ["redis", "REDIS_URL", "redis://user:secret@127.0.0.1:1"],
    ["postgres", "POSTGRES_URL", "postgres://user:secret@127.0.0.1:1/none"],
  ])("of %s says that no server answers, and not the password", async (store, name, url) => {
    vi.stubEnv(name, url);
    const error = await startOf(store);
    expect(error).toBeInstanceOf(ServerAbsentError);
    expect(String(error)).toMatch(new RegExp(`${store} needs a server.*127.0.0.1:1.*${name}`));
    expect(String(error)).not.toContain("secret");
  });

  it("of a store without a server needs none, and has none", async () => {
    expect(await startOf("sqlite")).toBe("measured");
    expect(() => serverOf("redis")).toThrow("no redis server was started");
  });
});

describe.runIf(process.platform === "linux")("processor time", () => {
  it("is that of the process, and of nobody with another name", () => {
    const until = processSeconds(process.pid, "") ?? 0;
    expect(until).toBeGreaterThan(0);
    expect(until).toBeLessThanOrEqual(machineSeconds() ?? 0);
    expect(processSeconds(process.pid, "redis-server")).toBeUndefined();
  });

  it("of a family holds that of children who have ended", async () => {
    const before = familySeconds(process.pid, "") ?? Infinity;
    const spin = "const end = process.cpuUsage; while (end().user < 300000);";
    const [code] = await once(spawn(process.execPath, ["-e", spin]), "close");
    expect(code).toBe(0);
    expect(familySeconds(process.pid, "") ?? 0).toBeGreaterThanOrEqual(before + 0.2);
  });
});
