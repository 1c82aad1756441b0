import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openStore } from "./open-store.ts";

const mounted: string[] = [];

/** Mounts a file system of `size` in memory; `undefined` where the user may not. */
function mountSmall(size: string): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", dir], { stdio: "ignore" });
  } catch {
    rmSync(dir, { recursive: true });
    return undefined;
  }
  mounted.push(dir);
  return dir;
}

function remount(dir: string, mode: "ro" | "rw"): void {
  execFileSync("mount", ["-o", `remount,${mode}`, dir]);
}

afterEach(() => {
  for (const dir of mounted.splice(0)) {
    execFileSync("umount", ["--lazy", dir]);
    rmSync(dir, { recursive: true, force: true });
  }
});

const CANNOT_MOUNT = "only a user who may mount file systems can run this";

/** The files that were begun and are not in place. */
function drafts(dir: string): string[] {
  const folders = readdirSync(dir).filter((name) => name.startsWith("tmp-"));
  expect(folders).toHaveLength(1);
  return folders.flatMap((name) => readdirSync(join(dir, name)));
}

describe.each(["sqlite", "file"])("%s on a small disk", (kind) => {
  it("a full disk is a typed error; what was answered stays, and writing goes on with room", async ({
    skip,
  }) => {
    const dir = mountSmall("1m") ?? skip(CANNOT_MOUNT);
    const filler = join(dir, "filler");
    const store = openStore(kind, dir);
    await store.load(["k"]);
    writeFileSync(filler, Buffer.alloc(300_000));
    const text = "x".repeat(30_000);
    const answered = new Map<string, number>();
    let failure: unknown;
    for (let round = 0; failure === undefined && round < 100; round += 1) {
      const writes = Array.from({ length: 4 }, (_, at) => {
        const key = `k${(round * 4 + at) % 50}`;
        const expectedVersion = answered.get(key) ?? 0;
        return { key, expectedVersion, version: expectedVersion + 1, state: { text, round } };
      });
      try {
        const results = await store.commit(writes);
        for (const [at, result] of results.entries())
          if (result.ok) answered.set(writes[at]?.key ?? "", result.version);
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({
      code: expect.stringMatching(/^(STORE_UNAVAILABLE|COMMIT_UNKNOWN)$/),
      cause: expect.any(Error),
    });
    expect(answered.size).toBeGreaterThan(0);
    const keys = [...answered.keys()];
    const check = async (reader: typeof store): Promise<void> => {
      for (const [at, record] of (await reader.load(keys)).entries()) {
        expect(record?.version).toBeGreaterThanOrEqual(answered.get(keys[at] ?? "") ?? 0);
        expect(record?.state).toMatchObject({ text });
      }
    };
    await check(store);
    if (kind === "file") expect(drafts(join(dir, "file"))).toEqual([]);
    rmSync(filler);
    const fresh = { key: "fresh", expectedVersion: 0, version: 1, state: "there" };
    expect(await store.commit([fresh])).toEqual([{ ok: true, version: 1 }]);
    await store.close();
    const later = openStore(kind, dir);
    await check(later);
    expect((await later.load(["fresh"]))[0]?.state).toBe("there");
    await later.close();
  });

  it("a read-only file system is a typed error", async ({ skip }) => {
    const dir = mountSmall("1m") ?? skip(CANNOT_MOUNT);
    remount(dir, "ro");
    const store = openStore(kind, dir);
    await expect(store.load(["k"])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      cause: expect.any(Error),
    });
    // The next call tries again.
    remount(dir, "rw");
    expect(await store.load(["k"])).toEqual([undefined]);
    await store.close();
  });

  it("a path below a file is a typed error, and a missing directory is made", async () => {
    const dir = mkdtempSync(join(tmpdir(), "holdfast-path-"));
    writeFileSync(join(dir, "plain"), "");
    const store = openStore(kind, join(dir, "plain", "below"));
    await expect(store.load(["k"])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await store.close();
    mkdirSync(join(dir, "some"));
    const deep = openStore(kind, join(dir, "some", "where", "else"));
    expect(await deep.load(["k"])).toEqual([undefined]);
    await deep.close();
    rmSync(dir, { recursive: true });
  });
});
