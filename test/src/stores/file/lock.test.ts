/** Who holds a store directory, and when it falls (K1 to K4 of src/stores/file/lock.ts). */
import { randomUUID } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tsImport } from "tsx/esm/api";
import { describe, expect, it } from "vitest";
import { timedFileStore } from "../../../../src/stores/file/store.ts";
import {
  lockDirectory,
  type DirectoryLock,
  type LockTiming,
} from "../../../../src/stores/file/lock.ts";
import { FileRecords } from "../../../../src/stores/file/records.ts";
import { thisProcess } from "../../../../src/stores/shared/process-identity.ts";
import type * as Copy from "../../../faults/another-copy.ts";
import type { LockTask } from "../../../faults/lock-worker.ts";
import { testDirectory } from "../../../support/directory.ts";
import { nextMessage, startWorker } from "../../../support/worker.ts";

const root = testDirectory("file-lock");
const timing: LockTiming = { beatMs: 100, quietMs: 700, watchMs: 300 };
/** For locks that others write in a test's own time. */
const patient: LockTiming = { beatMs: 100, quietMs: 60_000, watchMs: 250 };
const IN_USE = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("in use by") };
const LOST = {
  code: "STORE_UNAVAILABLE",
  message: expect.stringContaining("was locked by another owner"),
};
/** No process has this id. */
const NO_PID = 2 ** 22 + 1;

function freshDirectory(): string {
  const dir = join(root, randomUUID());
  mkdirSync(dir);
  return dir;
}

/** Leaves a lock that was last written so long ago. */
function lockOf(dir: string, holder: object | string, ageMs: number): string {
  const path = join(dir, "lock.4");
  const owner = { ...thisProcess(), instance: "another", released: false };
  const text = typeof holder === "string" ? holder : JSON.stringify({ ...owner, ...holder });
  writeFileSync(path, `${text}\n${"0".repeat(16)}\n`);
  const at = (Date.now() - ageMs) / 1000;
  utimesSync(path, at, at);
  return path;
}

const write = (version: number, state: string) => ({
  key: "k",
  expectedVersion: version - 1,
  version,
  state,
});

/** Takes the lock as soon as it falls. */
async function takeWhenFree(dir: string): Promise<DirectoryLock> {
  for (;;) {
    try {
      return await lockDirectory(dir, timing);
    } catch (error) {
      expect(error).toMatchObject(IN_USE);
      await sleep(100);
    }
  }
}

describe("a lock of which nothing can be known", () => {
  it.each([
    ["of another boot under the same host name", { pid: NO_PID, boot: "another" }],
    ["of another pid namespace", { pid: NO_PID, space: "pid:[1]" }],
    ["of another host", { host: "elsewhere", boot: "another", space: "pid:[1]" }],
    ["of an earlier release", { boot: undefined, space: undefined, instance: undefined }],
    ["that cannot be read", "{"],
  ])("%s is kept while it is written, and falls when it is not (K2)", async (_, holder) => {
    const dir = freshDirectory();
    lockOf(dir, holder, patient.quietMs / 2);
    await expect(lockDirectory(dir, patient)).rejects.toMatchObject(IN_USE);
    lockOf(dir, holder, patient.quietMs * 2);
    const lock = await lockDirectory(dir, patient);
    expect(readdirSync(dir)).toContain("lock.5");
    await lock.release();
  });

  it("falls also when it was last written in a time to come", async () => {
    const dir = freshDirectory();
    lockOf(dir, { space: "pid:[1]" }, -3_600_000);
    await (await lockDirectory(dir, patient)).release();
  });

  it("is kept when it is written while it is watched", async () => {
    const dir = freshDirectory();
    const path = lockOf(dir, { space: "pid:[1]" }, patient.quietMs * 2);
    const refused = expect(lockDirectory(dir, patient)).rejects.toMatchObject(IN_USE);
    await sleep(patient.watchMs / 5);
    appendFileSync(path, " ");
    await refused;
    expect(readdirSync(dir)).toEqual(["lock.4"]);
  });

  it("goes to exactly one of many that find it quiet", async () => {
    const dir = freshDirectory();
    lockOf(dir, { space: "pid:[1]" }, patient.quietMs * 2);
    const claims = Array.from({ length: 10 }, () => lockDirectory(dir, patient));
    const settled = await Promise.allSettled(claims);
    const held = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    expect(held).toHaveLength(1);
    await expect(held[0]?.check()).resolves.toBeUndefined();
    await held[0]?.release();
  });
});

it("a lock of a process that is gone on this boot falls at once (K1)", async () => {
  const dir = freshDirectory();
  lockOf(dir, { pid: NO_PID }, 0);
  await (await lockDirectory(dir, patient)).release();
});

describe("a thread that holds a directory", () => {
  it("is left alone while it lives, and followed when it was ended", async () => {
    const dir = freshDirectory();
    const worker = startWorker("lock-worker.ts", task(dir));
    expect(await nextMessage(worker)).toBe("stored");
    await expect(lockDirectory(dir, timing)).rejects.toMatchObject(IN_USE);
    await sleep(timing.quietMs + timing.watchMs);
    await expect(lockDirectory(dir, timing)).rejects.toMatchObject(IN_USE);
    await worker.terminate();
    await (await takeWhenFree(dir)).release();
  });

  it("that stood still and was followed writes nothing more (K4)", async () => {
    const dir = freshDirectory();
    const given = task(dir);
    const worker = startWorker("lock-worker.ts", given);
    expect(await nextMessage(worker)).toBe("stored");
    worker.postMessage("freeze", []);
    expect(await nextMessage(worker)).toBe("frozen");
    await (await takeWhenFree(dir)).release();
    const store = timedFileStore({ dir }, timing);
    expect(await store.commit([write(2, "test")])).toEqual([{ ok: true, version: 2 }]);
    const outcome = nextMessage(worker);
    Atomics.store(given.pause, 0, 1);
    Atomics.notify(given.pause, 0);
    expect(await outcome).toBe("STORE_UNAVAILABLE");
    expect(await store.load(["k"])).toEqual([{ version: 2, state: "test" }]);
    await worker.terminate();
    await store.close();
  });
});

function task(dir: string): LockTask {
  return { dir, timing, pause: new Int32Array(new SharedArrayBuffer(4)) };
}

describe("another copy of the package in this thread", () => {
  it("is refused, and takes the place of a store that is no longer used (K3)", async () => {
    const dir = freshDirectory();
    // What that file exports.
    const copy = (await tsImport(
      "../../../faults/another-copy.ts",
      import.meta.url,
    )) as typeof Copy;
    const old = copy.files.timedFileStore({ dir }, timing);
    await old.commit([write(1, "old")]);
    const fresh = timedFileStore({ dir }, timing);
    await expect(fresh.load(["k"])).rejects.toMatchObject(IN_USE);
    await expect
      .poll(() => fresh.commit([write(2, "fresh")]).catch(String), { timeout: 5_000 })
      .toEqual([{ ok: true, version: 2 }]);
    await expect(old.commit([write(2, "old")])).rejects.toMatchObject(LOST);
    await expect(old.load(["k"])).rejects.toMatchObject(LOST);
    await old.close();
    expect(await fresh.load(["k"])).toEqual([{ version: 2, state: "fresh" }]);
    await fresh.close();
    expect(readdirSync(dir).toSorted()).toEqual(["corrupt", "lock.2", "records"]);
  });
});

describe("a write that was under way when the directory was taken (K4)", () => {
  it("does not reach its place", async () => {
    const dir = freshDirectory();
    lockOf(dir, { pid: NO_PID }, 0);
    const old = await lockDirectory(dir, timing);
    const records = await FileRecords.open(dir, old, false);
    const draft = { key: "k", expires: undefined, forgets: undefined };
    const change = async (to: FileRecords, version: number, entry: string) => {
      const log = (await to.head("k"))?.history;
      const row = { version, at: version, seq: version, start: 0, size: 1, state: null };
      const history = { log, rows: [{ ...row, entry: `"${entry}"` }], keep: {} };
      return to.write([{ ...draft, version, text: `"${entry}"`, history }]);
    };
    await change(records, 1, "old");
    // Unused for long enough, in this thread.
    const lock = await takeWhenFree(dir);
    const now = await FileRecords.open(dir, lock, false);
    await change(now, 2, "new");
    const [late] = await change(records, 2, "late");
    expect(late).toMatchObject({ status: "rejected", reason: { code: "ENOENT" } });
    await change(now, 3, "new");
    const found = await now.read("k");
    expect(found).toMatchObject({ version: 3, state: "new" });
    const rows = found?.history && (await now.histories.read("k", found.history, {}));
    expect(rows?.map(({ entry }) => entry)).toEqual(["new", "new", "old"]);
    await Promise.all([records.close(), now.close(), old.release()]);
    await expect(lock.check()).resolves.toBeUndefined();
    await lock.release();
  });
});
