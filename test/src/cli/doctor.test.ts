/** `holdfast doctor`: a sound store, a damaged one, and one that cannot be reached. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { memoryFinding } from "../../../src/stores/redis/health.ts";
import { clockFinding } from "../../../src/stores/shared/finding.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { onServer } from "../../support/places.ts";
import { openStore } from "../../faults/open-store.ts";

const dir = testDirectory("doctor");

interface Check {
  readonly name: string;
  readonly level: string;
  readonly text: string;
}

async function checksOf(address: string): Promise<{ ok: boolean; checks: Check[] }> {
  const done = await command("doctor", address, "--json");
  const found = JSON.parse(done.text);
  expect(found.ok).toBe(done.isDone);
  return found;
}

async function textsOf(address: string): Promise<Record<string, string>> {
  const { checks } = await checksOf(address);
  return Object.fromEntries(checks.map(({ name, text }) => [name, text]));
}

function levels(checks: readonly Check[]): Record<string, string> {
  return Object.fromEntries(checks.map(({ name, level }) => [name, level]));
}

it("finds a database sound, and counts what it keeps", async () => {
  const path = join(dir, "sound.db");
  const store = sqliteStore({ path });
  const write = (key: string) => ({ key, expectedVersion: 0, version: 1, state: { n: 1 } });
  await store.commit(["a/b/1", "a/b/2"].map(write));
  await store.commit([{ key: "a/b/2", expectedVersion: 1, version: 2, state: undefined }]);
  await store.close();
  const { ok, checks } = await checksOf(`sqlite:${path}`);
  expect(ok).toBe(true);
  expect(levels(checks)).toMatchObject({
    sqlite: "info",
    journal: "ok",
    tables: "ok",
    records: "ok",
    settings: "ok",
  });
  const texts = Object.fromEntries(checks.map(({ name, text }) => [name, text]));
  expect(texts).toMatchObject({ records: "1, all can be read", tombstones: "1", leases: "0" });
});

it("names damaged records and ends with 1, as a process", async () => {
  const path = join(dir, "damaged.db");
  const store = sqliteStore({ path });
  const state = { $holdfast: "odd", value: "s3" };
  await store.commit([{ key: "a/b/1", expectedVersion: 0, version: 1, state }]);
  await store.close();
  const ended = await holdfast("doctor", `sqlite:${path}`);
  expect(ended).toMatchObject({ code: 1, err: "" });
  expect(ended.out).toContain("error    records: 1, 1 are damaged\n");
  expect(ended.out).toMatch(/^error {4}record: "a\/b\/1": a stored value has a tag/m);
  expect(ended.out).not.toContain("s3");
});

it("says why a store cannot be read", async () => {
  const path = join(dir, "text.db");
  writeFileSync(path, "no database".repeat(1000));
  const { ok, checks } = await checksOf(`sqlite:${path}`);
  expect([ok, levels(checks)]).toMatchObject([false, { store: "error" }]);
  const away = await checksOf("redis://:the-password@127.0.0.1:1");
  expect([away.ok, levels(away.checks)]).toMatchObject([false, { store: "error" }]);
  expect(JSON.stringify(away)).not.toContain("the-password");
  await expect(command("doctor", `sqlite:${dir}/absent.db`)).rejects.toThrow("there is no store");
});

for (const server of ["redis", "postgres"] as const)
  await onServer(server, ({ kind, fresh }) => {
    it(`looks at ${server}: its version, its clock, its settings, its records`, async () => {
      const place = fresh();
      const store = openStore(kind, place);
      const write = (key: string) => ({ key, expectedVersion: 0, version: 1, state: {} });
      await store.commit(["a/b/1", "a/b/2", "a/b/3"].map(write));
      for (const key of ["a/b/2", "a/b/3"])
        await store.commit([{ key, expectedVersion: 1, version: 2, state: undefined }]);
      const { ok, checks } = await checksOf(place);
      const leased = await store.exclusive?.("a/b/1", 60_000, () => textsOf(place));
      expect(leased?.["leases"]).toBe("1");
      await store.close();
      expect(ok).toBe(true);
      const found = levels(checks);
      expect(await textsOf(place)).toMatchObject({ tombstones: "2", leases: "0" });
      expect(found).toMatchObject({ [server]: "info", clock: "ok", records: "ok" });
      expect(["ok", "warning"]).toContain(found["settings"]); // As that server is set up.
    });
  });

it("warns of a Redis whose memory is nearly full", () => {
  const used = "# Memory\r\nused_memory:94371840\r\nmaxmemory:";
  expect(memoryFinding(`${used}0\r\n`)).toMatchObject({ level: "ok" });
  expect(memoryFinding(`${used}104857600\r\n`)).toMatchObject({ level: "ok" });
  const full = memoryFinding(`${used}104857599\r\n`);
  expect(full).toMatchObject({ level: "warning", text: "90 MiB used of 100 MiB" });
});

it("takes a clock for right within a second and the time of the reply", () => {
  expect(clockFinding(5_000, 4_000, 6_000).level).toBe("ok");
  expect(clockFinding(7_000, 4_000, 6_000).level).toBe("ok");
  expect(clockFinding(7_002, 4_000, 6_000)).toMatchObject({ level: "warning" });
  expect(clockFinding(2_000, 4_000, 6_000).text).toBe("the server's differs by -2000 ms");
});
