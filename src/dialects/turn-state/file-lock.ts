/**
 * A short exclusive lock on one document, across owners: a symbolic link that names its owner.
 *
 *  K1  A link is made atomically together with its text, so a lock always has an owner. Each lock
 *      has an id of its own.
 *  K2  Each owner has a folder, made once, before its link. The owner changes files only by a
 *      rename out of that folder or into it: the document, and the links it removes. Another owner
 *      removes the folder before it takes the lock. After that, the first owner cannot change
 *      anything.
 *  K3  A lock whose owner process has ended is taken at once. A running owner touches its folder at
 *      intervals. When the folder is untouched for `quietMs`, another owner takes the lock.
 *  K4  Only the owner of a claim, which is a lock on a lock, removes another owner's lock. A claim
 *      expires like any lock, so an owner that ends with a claim blocks no other.
 */
import { performance } from "node:perf_hooks";
import { randomUUID } from "node:crypto";
import { mkdir, readlink, rename, rmdir, stat, symlink, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { removeFolder, replaceFile, systemCode, unlessAbsent } from "../../stores/file/disk.ts";
import { startHeartbeat } from "../../stores/shared/heartbeat.ts";
import {
  isDead,
  readOwner,
  thisProcess,
  type ProcessOwner,
} from "../../stores/shared/process-identity.ts";

/** How long an owner waits, and after what silence an owner counts as ended; milliseconds. */
export interface FileLockTiming {
  /** How long to wait for another owner to finish its write. */
  readonly waitMs: number;
  readonly beatMs: number;
  /** Less than `waitMs`. */
  readonly quietMs: number;
}

const TIMING: FileLockTiming = { waitMs: 10_000, beatMs: 1_000, quietMs: 5_000 };
const POLL_MIN_MS = 2;
const POLL_MAX_MS = 50;
/** The greatest depth of claims on claims; each level is for an owner that ended with its claim. */
const CLAIMS_MAX = 4;

/** What the owner of a lock may change. */
export interface FileLock {
  /** Replaces the file at `target` whole. */
  put(bytes: Buffer, target: string, fsync: boolean): Promise<void>;
  /** Removes the file at `path`, if there is one. */
  remove(path: string): Promise<void>;
}

/**
 * Runs `work` while this owner has the lock at `path`. Throws `StoreUnavailableError` when another
 * owner keeps the lock, or took it while `work` ran.
 */
export async function withFileLock<T>(
  path: string,
  work: (lock: FileLock) => Promise<T>,
  timing: FileLockTiming = TIMING,
): Promise<T> {
  const attempt = new Attempt(path, timing);
  await attempt.begin();
  const heartbeat = startHeartbeat(timing.beatMs, () => attempt.beat());
  try {
    const isLocked = await attempt.take();
    try {
      return await work(attempt);
    } finally {
      if (isLocked) await attempt.release();
    }
  } finally {
    await heartbeat.stop();
    await attempt.end();
  }
}

interface LockOwner extends ProcessOwner {
  readonly lock: string;
}

/** How long an owner's folder has been untouched. */
interface Quiet {
  readonly touchedMs: number | undefined;
  readonly seenAt: number;
  readonly quietMs: number;
}

/** One owner that waits for a lock, or has it. */
class Attempt implements FileLock {
  readonly #path: string;
  readonly #timing: FileLockTiming;
  readonly #folder: string;
  readonly #text: string;
  /** The observed owners, by the text of their links. */
  readonly #seen = new Map<string, Quiet>();

  constructor(path: string, timing: FileLockTiming) {
    const lock = randomUUID();
    this.#path = path;
    this.#timing = timing;
    this.#folder = this.#folderOf(lock);
    this.#text = JSON.stringify({ ...thisProcess(), lock });
  }

  async begin(): Promise<void> {
    await mkdir(this.#folder, { mode: 0o700 });
  }

  async end(): Promise<void> {
    try {
      await rmdir(this.#folder);
    } catch {
      // The folder is not empty, or another owner has removed it.
      await removeFolder(this.#folder);
    }
  }

  /** Other owners compare the time only with its previous value; the clocks need not agree. */
  async beat(): Promise<void> {
    const now = new Date();
    await utimes(this.#folder, now, now);
  }

  /** False where links cannot be made: then only the mailboxes of this process keep the order. */
  async take(): Promise<boolean> {
    const until = performance.now() + this.#timing.waitMs;
    for (let waitMs = POLL_MIN_MS; ; waitMs = Math.min(waitMs * 2, POLL_MAX_MS)) {
      const code = await tryLink(this.#text, this.#path);
      if (code === undefined) return true;
      if (code !== "EEXIST") return false;
      if (await this.#clear(this.#path, CLAIMS_MAX)) continue;
      if (performance.now() > until)
        throw new StoreUnavailableError(
          `another owner has locked ${this.#path} for ${this.#timing.waitMs} ms; ` +
            "remove it if that process has ended",
        );
      await sleep(waitMs);
    }
  }

  async release(): Promise<void> {
    await this.#away(this.#path);
  }

  async put(bytes: Buffer, target: string, fsync: boolean): Promise<void> {
    try {
      await replaceFile(bytes, { temporary: this.#temporary(), target, fsync });
    } catch (error) {
      await this.#check();
      throw error;
    }
  }

  async remove(path: string): Promise<void> {
    if (!(await this.#away(path))) await this.#check();
  }

  /** Throws when another owner has taken this owner's lock. */
  async #check(): Promise<void> {
    if ((await touchedMs(this.#folder)) !== undefined) return;
    throw new StoreUnavailableError(
      `another owner took ${this.#path}, because this one gave no sign of life for ` +
        `${this.#timing.quietMs} ms; nothing was written after that, try again`,
    );
  }

  /**
   * Moves the file at `path` away. False when there was none, or when the move is not allowed (K2).
   */
  async #away(path: string): Promise<boolean> {
    const aside = this.#temporary();
    if ((await unlessAbsent(rename(path, aside).then(() => true))) === undefined) return false;
    await unlink(aside).catch(() => undefined); // The removal of the folder removes it too.
    return true;
  }

  /** Removes the link of an ended owner; true when a new attempt can follow at once. */
  async #clear(path: string, claims: number): Promise<boolean> {
    const text = await linkText(path);
    if (text === undefined) return true;
    const holder = readHolder(text);
    if (holder === undefined || claims === 0) return false;
    if (!isDead(holder) && !(await this.#isQuiet(text, holder))) return false;
    const claim = `${path}-${holder.lock}`;
    if ((await tryLink(this.#text, claim)) !== undefined) {
      await this.#clear(claim, claims - 1);
      return false;
    }
    // From here on, no rename of that owner succeeds (K2), and no other owner has the claim (K4).
    await removeFolder(this.#folderOf(holder.lock));
    if ((await linkText(path)) === text) await this.#away(path);
    await this.#away(claim);
    await this.#check();
    return true;
  }

  async #isQuiet(text: string, { lock }: LockOwner): Promise<boolean> {
    const now = performance.now();
    const touched = await touchedMs(this.#folderOf(lock));
    const seen = this.#seen.get(text);
    // Time in which this process was suspended does not count: the other may have been suspended
    // too.
    const quietMs =
      seen === undefined || seen.touchedMs !== touched
        ? 0
        : seen.quietMs + Math.min(now - seen.seenAt, this.#timing.beatMs);
    this.#seen.set(text, { touchedMs: touched, seenAt: now, quietMs });
    return quietMs >= this.#timing.quietMs;
  }

  #folderOf(lock: string): string {
    return `${this.#path}-${lock}.d`;
  }

  #temporary(): string {
    return join(this.#folder, randomUUID());
  }
}

/** When a folder was last touched; `undefined` when it does not exist. */
async function touchedMs(folder: string): Promise<number | undefined> {
  return (await unlessAbsent(stat(folder)))?.mtimeMs;
}

/** The error code when the link could not be made, else `undefined`. */
async function tryLink(text: string, path: string): Promise<string | undefined> {
  try {
    await symlink(text, path);
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === "EEXIST" || code === "EPERM" || code === "ENOTSUP") return code;
    throw error;
  }
}

function linkText(path: string): Promise<string | undefined> {
  return unlessAbsent(readlink(path));
}

function readHolder(text: string): LockOwner | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const owner = readOwner(parsed);
    if (owner === undefined || typeof parsed !== "object" || parsed === null) return undefined;
    const lock = "lock" in parsed ? parsed.lock : undefined;
    return typeof lock === "string" && /^[\da-f-]+$/.test(lock) ? { ...owner, lock } : undefined;
  } catch {
    return undefined;
  }
}
