/** Who may change a document, and when its lock falls (K1 to K4 of file-lock.ts). */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { tsImport } from "tsx/esm/api";
import { FileStorage, runTurn } from "holdfast/turn-state";
import { describe, expect, it } from "vitest";
import {
  withFileLock,
  type FileLock,
  type FileLockTiming,
} from "../../../../src/dialects/turn-state/file-lock.ts";
import { thisProcess } from "../../../../src/stores/shared/process-identity.ts";
import type * as Copy from "../../../faults/another-copy.ts";
import { testDirectory } from "../../../support/directory.ts";
import { activity } from "./places.ts";
import { gate } from "../../../support/waiting.ts";

const root = testDirectory("turn-file-lock");
const timing: FileLockTiming = { waitMs: 2_500, beatMs: 100, quietMs: 600 };
/** A holder that gives no sign of life. */
const silent: FileLockTiming = { ...timing, beatMs: 3_600_000 };
/** No process has this id. */
const NO_PID = 2 ** 22 + 1;

function freshLock(): { readonly dir: string; readonly path: string; readonly document: string } {
  const dir = join(root, randomUUID());
  mkdirSync(dir);
  return { dir, path: join(dir, ".lock-0"), document: join(dir, "k.json") };
}

/** Leaves a lock of another owner; gives the folder it would have. */
function lockOf(path: string, owner: object): string {
  const lock = randomUUID();
  symlinkSync(JSON.stringify({ ...thisProcess(), instance: "another", ...owner, lock }), path);
  return `${path}-${lock}.d`;
}

describe("a lock of which nothing can be known", () => {
  it.each([
    ["of another boot under the same host name", { pid: NO_PID, boot: "another" }],
    ["of an earlier release", { boot: undefined, space: undefined, instance: undefined }],
    ["of another copy of the package in this process", {}],
  ])("%s falls when its holder gives no sign of life (K3)", async (_, owner) => {
    const { dir, path } = freshLock();
    mkdirSync(lockOf(path, owner));
    await withFileLock(path, async () => undefined, timing);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("is kept while its holder gives one", async () => {
    const { dir, path } = freshLock();
    const folder = lockOf(path, { space: "pid:[1]" });
    mkdirSync(folder);
    let time = 1;
    const beats = setInterval(() => void utimes(folder, time, (time += 1)), 100);
    const refused = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("remove it") };
    await expect(withFileLock(path, async () => undefined, timing)).rejects.toMatchObject(refused);
    clearInterval(beats);
    expect(readdirSync(dir)).toHaveLength(2);
  });

  it("falls also when the owner that cleared it away was killed in the middle (K4)", async () => {
    const { dir, path } = freshLock();
    const lock = randomUUID();
    symlinkSync(JSON.stringify({ ...thisProcess(), pid: NO_PID, lock }), path);
    lockOf(`${path}-${lock}`, { pid: NO_PID });
    await withFileLock(path, async () => undefined, timing);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("a holder whose lock was taken", () => {
  it("changes nothing any more, and leaves the next one alone (K2)", async () => {
    const { dir, path, document } = freshLock();
    writeFileSync(document, "before");
    const [held, taken, late] = [gate(), gate(), gate()];
    const outcomes: unknown[] = [];
    const attempt = (work: Promise<void>): Promise<unknown> =>
      work.catch((error: unknown) => outcomes.push(error));
    const old = withFileLock(
      path,
      async (lock) => {
        held.open();
        await taken.promise;
        await attempt(lock.put(Buffer.from("late"), document, false));
        await attempt(lock.remove(document));
        await attempt(lock.remove(join(dir, "missing")));
      },
      silent,
    );
    await held.promise; // Else the next one may be the first to take the lock.
    const next = withFileLock(
      path,
      async (lock) => {
        taken.open();
        await old;
        await lock.put(Buffer.from("next"), document, false);
        late.open();
      },
      timing,
    );
    await Promise.all([next, late.promise]);
    const lost = { code: "STORE_UNAVAILABLE", message: expect.stringContaining("sign of life") };
    expect(outcomes).toEqual([1, 2, 3].map(() => expect.objectContaining(lost)));
    expect(readFileSync(document, "utf8")).toBe("next");
    expect(readdirSync(dir)).toEqual(["k.json"]);
  });
});

it("a living holder keeps its lock for as long as it works", async () => {
  const { path } = freshLock();
  const order: string[] = [];
  const held = gate();
  const first = withFileLock(
    path,
    async () => {
      held.open();
      await new Promise((resolve) => {
        setTimeout(resolve, timing.quietMs * 2);
      });
      order.push("first");
    },
    timing,
  );
  await held.promise;
  await withFileLock(path, async () => void order.push("second"), timing);
  await first;
  expect(order).toEqual(["first", "second"]);
});

it("of many that find a quiet lock one at a time goes on", async () => {
  const { dir, path, document } = freshLock();
  writeFileSync(document, "0");
  lockOf(path, { space: "pid:[1]" });
  const add = async (lock: FileLock): Promise<void> => {
    const count = Number(readFileSync(document, "utf8"));
    await lock.put(Buffer.from(`${count + 1}`), document, false);
  };
  const patient = { ...timing, waitMs: 20_000 };
  await Promise.all(Array.from({ length: 10 }, () => withFileLock(path, add, patient)));
  expect(readFileSync(document, "utf8")).toBe("10");
  expect(readdirSync(dir)).toEqual(["k.json"]);
});

it("two copies of the package in this process lose no turn", async () => {
  const { dir } = freshLock();
  // What that file exports.
  const copy = (await tsImport("../../../faults/another-copy.ts", import.meta.url)) as typeof Copy;
  const turns = [{ FileStorage, runTurn }, copy.turnState].map(async (library) => {
    const storage = new library.FileStorage(dir, { fsync: false });
    for (let stored = 0; stored < 15;) {
      const turn = library.runTurn(storage, activity("c1"), (state) => {
        const n = state.conversation.get("n", 0) ?? 0;
        state.conversation.set("n", n + 1);
      });
      const outcome = await turn.then(() => "stored", String);
      // The other one's turn was faster: this one is refused, not lost.
      if (outcome !== "stored") expect(outcome).toContain("was changed by another turn");
      else stored += 1;
    }
  });
  await Promise.all(turns);
  const [name = ""] = readdirSync(dir);
  expect(JSON.parse(readFileSync(join(dir, name), "utf8"))).toEqual({ n: 30 });
});
