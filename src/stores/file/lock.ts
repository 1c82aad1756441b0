/**
 * One owner per directory.
 *
 * The lock is the file `lock.<n>` with the highest n. It is made whole by link(2), which fails if
 * the name exists, and a number is never used again: a released lock stays until the next one is
 * there. So two owners that both find the lock free cannot both acquire it.
 *
 *  K1  A lock that was released, or whose owner is known to have ended, is free at once.
 *  K2  Any other owner writes into its lock every `beatMs`. A lock that was not written for
 *      `quietMs`, by the time of its file system, is watched for `watchMs`; when it was not written
 *      then either, it is free. Otherwise it is refused at once.
 *  K3  A store object of this same thread that was not used for `quietMs` loses its lock: a hot
 *      reload leaves such objects behind.
 *  K4  An owner writes from a folder of its own: each file is made there and then renamed. A new
 *      owner removes the folders of all others before it reads anything. From then on no rename of
 *      theirs succeeds, however far it had come, and each of their calls is refused.
 */
import { performance } from "node:perf_hooks";
import { randomUUID } from "node:crypto";
import { link, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hostClock } from "../../../actors/time/clock.ts";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isThere, makeDirectory, removeFolder, systemCode, withFile, writeWhole } from "./disk.ts";
import { formatLock, lockBeat, parseLock, type Holder } from "./lock-text.ts";
import { startHeartbeat, type Heartbeat } from "../shared/heartbeat.ts";
import { describeOwner, isDead, isThisThread, thisProcess } from "../shared/process-identity.ts";

/** When the lock of an owner that ended counts as free; milliseconds. */
export interface LockTiming {
  readonly beatMs: number;
  readonly quietMs: number;
  /** More than `beatMs`. */
  readonly watchMs: number;
}

/** A lock becomes free at most `quietMs` and `watchMs` after its last beat. */
export const LOCK_TIMING: LockTiming = { beatMs: 5_000, quietMs: 25_000, watchMs: 6_000 };

/** A lock file as it was found. */
interface Found {
  readonly text: string;
  /** When it was written, by the file system's time. */
  readonly writtenMs: number;
}

const PREFIX = "lock.";
const DRAFT_PREFIX = "lock-";
const FOLDER_PREFIX = "tmp-";
/** The one folder of all owners of an earlier release: without it such an owner cannot write. */
const SHARED_FOLDER = "tmp";
/** Each failed attempt means that another owner just acquired the lock. */
const ATTEMPTS_MAX = 20;

/** The numbers of the lock files, highest first. */
async function lockNumbers(dir: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await readdir(dir)) {
    if (/^lock\.\d+$/.test(name)) numbers.push(Number(name.slice(PREFIX.length)));
  }
  return numbers.toSorted((left, right) => right - left);
}

function findLock(path: string): Promise<Found | undefined> {
  // Opened, because a network file system may cache the attributes of a name.
  return withFile(path, "r", async (file) => {
    const { mtimeMs } = await file.stat();
    return { text: await file.readFile("utf8"), writtenMs: mtimeMs };
  });
}

function lockedMeanwhile(dir: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `the store directory ${dir} is being locked by another owner; try again`,
  );
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1000));
}

/** An attempt to acquire the lock of a directory. */
class Claim {
  readonly #dir: string;
  readonly #timing: LockTiming;
  readonly #draft: string;
  readonly #folder: string;
  readonly #holder: Holder = { ...thisProcess(), released: false };
  /** When the draft was written, by the file system's time. */
  #now = 0;

  constructor(dir: string, timing: LockTiming) {
    this.#dir = dir;
    this.#timing = timing;
    const id = randomUUID();
    this.#draft = join(dir, DRAFT_PREFIX + id);
    this.#folder = join(dir, FOLDER_PREFIX + id);
  }

  async take(): Promise<DirectoryLock> {
    try {
      // Before there is a lock, and never again: its removal ends this owner (K4).
      await makeDirectory(this.#folder);
      await writeWhole(this.#draft, formatLock(this.#holder), true);
      this.#now = (await stat(this.#draft)).mtimeMs;
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const [highest = 0] = await lockNumbers(this.#dir);
        if (highest > 0) await this.#waitFor(this.#path(highest));
        if (await this.#link(highest + 1)) return await this.#begin(highest + 1);
      }
      throw lockedMeanwhile(this.#dir);
    } catch (error) {
      await removeFolder(this.#folder);
      throw error;
    } finally {
      await rm(this.#draft, { force: true });
    }
  }

  #path(number: number): string {
    return join(this.#dir, PREFIX + String(number));
  }

  /** Resolves when the lock is free; rejects when its owner may be running. */
  async #waitFor(path: string): Promise<void> {
    const found = await findLock(path);
    // Removed meanwhile: the next attempt finds the higher number.
    if (found === undefined || this.#isFree(found)) return;
    const { quietMs, watchMs } = this.#timing;
    // Also a time in the future: the clock was set back, and a running owner would have written.
    if (Math.abs(this.#now - found.writtenMs) <= quietMs) throw this.#refusal(path, found);
    await new Promise<void>((resolve) => {
      hostClock.setTimeout(resolve, watchMs);
    });
    const later = await findLock(path);
    if (later === undefined || later.writtenMs === found.writtenMs) return;
    throw this.#refusal(path, later);
  }

  #isFree({ text }: Found): boolean {
    const holder = parseLock(text);
    if (holder === undefined) return false;
    if (holder.released || isDead(holder)) return true;
    return isThisThread(holder) && holder.idleMs > this.#timing.quietMs;
  }

  #refusal(path: string, { text, writtenMs }: Found): StoreUnavailableError {
    const holder = parseLock(text);
    const { quietMs, watchMs } = this.#timing;
    let who = "a process whose lock cannot be read";
    if (holder !== undefined)
      who = isThisThread(holder) ? "another store object of this process" : describeOwner(holder);
    return new StoreUnavailableError(
      `the store directory ${this.#dir} is in use by ${who}; close that store first, or wait: ` +
        `its lock expires ${seconds(quietMs + watchMs)} s after its last renewal, which was ` +
        `${seconds(this.#now - writtenMs)} s ago; or remove ${path} if its process is gone`,
    );
  }

  /** False when another owner was faster. */
  async #link(number: number): Promise<boolean> {
    const path = this.#path(number);
    try {
      await link(this.#draft, path);
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") return false;
      // The new owner removed all drafts.
      if (code === "ENOENT") throw lockedMeanwhile(this.#dir);
      throw error;
    }
    const [highest = 0] = await lockNumbers(this.#dir);
    if (highest === number) return true;
    // The listing was old; another owner has a higher number.
    await rm(path, { force: true });
    return false;
  }

  /** Ends all other owners (K4), then removes their files. */
  async #begin(number: number): Promise<DirectoryLock> {
    const dir = this.#dir;
    const names = (await readdir(dir)).map((name) => join(dir, name));
    for (const path of names) {
      const isFolder =
        path.startsWith(join(dir, FOLDER_PREFIX)) || path === join(dir, SHARED_FOLDER);
      if (isFolder && path !== this.#folder) await removeFolder(path);
    }
    for (const old of (await lockNumbers(dir)).toReversed())
      if (old < number) await rm(this.#path(old), { force: true });
    for (const path of names)
      if (path.startsWith(join(dir, DRAFT_PREFIX))) await rm(path, { force: true });
    const own = { folder: this.#folder, holder: this.#holder };
    const parts = { dir, path: this.#path(number), number, ...own };
    const lock = new DirectoryLock(parts, this.#timing.beatMs);
    if (await isThere(this.#folder)) return lock;
    // An owner that had the lock meanwhile mistook this one for an owner.
    await lock.release();
    throw lockedMeanwhile(dir);
  }
}

interface LockParts {
  readonly dir: string;
  readonly path: string;
  readonly number: number;
  readonly folder: string;
  readonly holder: Holder;
}

/** The acquired lock of a directory. */
export class DirectoryLock {
  /** The folder in which files are made before they are renamed (K4). */
  readonly folder: string;
  /** Later owners have higher numbers. */
  readonly number: number;
  readonly #parts: LockParts;
  readonly #heartbeat: Heartbeat;
  #usedAt = performance.now();

  constructor(parts: LockParts, beatMs: number) {
    this.folder = parts.folder;
    this.number = parts.number;
    this.#parts = parts;
    this.#heartbeat = startHeartbeat(beatMs, () => this.#beat());
  }

  /** Rejects with `StoreUnavailableError` when another owner has acquired the directory. */
  async check(): Promise<void> {
    this.#usedAt = performance.now();
    if (await isThere(this.folder)) return;
    throw new StoreUnavailableError(
      `the store directory ${this.#parts.dir} was locked by another owner, because this one ` +
        "did not renew its lock or was not used; close this store and open a new one",
    );
  }

  /** Makes the directory free for the next owner. */
  async release(): Promise<void> {
    await this.#heartbeat.stop();
    const { dir, path, holder } = this.#parts;
    if (!(await isThere(this.folder))) return;
    const draft = join(dir, DRAFT_PREFIX + randomUUID());
    await writeWhole(draft, formatLock({ ...holder, released: true }), true);
    await rename(draft, path);
    await removeFolder(this.folder);
  }

  async #beat(): Promise<void> {
    const { path, holder } = this.#parts;
    // In place, and only if it exists: a beat never restores a removed lock.
    await withFile(path, "r+", (file) => {
      const { bytes, at } = lockBeat(holder, performance.now() - this.#usedAt);
      return file.write(bytes, 0, bytes.length, at);
    });
  }
}

/**
 * Acquires the lock of `dir`, also from an owner that has ended. Throws `StoreUnavailableError` if
 * it is in use.
 */
export function lockDirectory(
  dir: string,
  timing: LockTiming = LOCK_TIMING,
): Promise<DirectoryLock> {
  return new Claim(dir, timing).take();
}
