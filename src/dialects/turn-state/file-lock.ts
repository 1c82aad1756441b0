/**
 * A short exclusive lock on one document, across owners: a symbolic link that says who holds it.
 *
 *  K1  Making a link is atomic and carries its text with it, so there is never a lock without an
 *      owner. A lock has an id of its own.
 *  K2  Each owner has a folder, made before its link and never again. All it changes, it changes by
 *      a rename out of that folder or into it: the document, and the links it removes. Who takes
 *      its lock removes the folder first. From then on that owner can change nothing.
 *  K3  A lock whose holder is known to be dead is taken at once. Any other holder touches its
 *      folder at intervals; who finds it untouched for `quietMs` takes the lock.
 *  K4  Only the owner of a claim, which is a lock on a lock, removes the lock of another one. A
 *      claim falls like any lock, so an owner that dies with one blocks no other.
 */
import { performance } from "node:perf_hooks";
import { randomUUID } from "node:crypto";
import { mkdir, readlink, rename, rmdir, stat, symlink, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { removeFolder, replaceFile, systemCode } from "../../stores/file/disk.ts";
import { startHeartbeat } from "../../stores/shared/heartbeat.ts";
import {
  isDead,
  readOwner,
  thisProcess,
  type ProcessOwner,
} from "../../stores/shared/process-identity.ts";

/** How long an owner waits, and when a holder counts as dead; milliseconds. */
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
/** Claims on claims; each takes an owner that died just then. */
const CLAIMS_MAX = 4;

/** What the holder of a lock may change. */
export interface FileLock {
  /** Replaces the file at `target` whole. */
  put(bytes: Buffer, target: string, fsync: boolean): Promise<void>;
  /** Removes the file at `path`, if there is one. */
  remove(path: string): Promise<void>;
}

/**
 * Runs `work` while this owner has the lock at `path`. Throws `StoreUnavailableError` when another
 * one keeps it, or has taken it meanwhile.
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

/** How long a holder was seen without a sign of life. */
interface Quiet {
  readonly touchedMs: number | undefined;
  readonly seenAt: number;
  readonly quietMs: number;
}

/** One owner that wants a lock, or has it. */
class Attempt implements FileLock {
  readonly #path: string;
  readonly #timing: FileLockTiming;
  readonly #folder: string;
  readonly #text: string;
  /** Of the holders that were met, by the text of their links. */
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
      // Something is left in it, or another owner has removed it.
      await removeFolder(this.#folder);
    }
  }

  /** Another owner sees that the time is another one; it does not matter whose clock says it. */
  async beat(): Promise<void> {
    const now = new Date();
    await utimes(this.#folder, now, now);
  }

  /** False where links cannot be made: then only the mailboxes of this process keep order. */
  async take(): Promise<boolean> {
    const until = performance.now() + this.#timing.waitMs;
    for (let waitMs = POLL_MIN_MS; ; waitMs = Math.min(waitMs * 2, POLL_MAX_MS)) {
      const code = await tryLink(this.#text, this.#path);
      if (code === undefined) return true;
      if (code !== "EEXIST") return false;
      if (await this.#clear(this.#path, CLAIMS_MAX)) continue;
      if (performance.now() > until)
        throw new StoreUnavailableError(
          `another owner holds ${this.#path} for ${this.#timing.waitMs} ms; ` +
            "remove it if that process is gone",
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

  /** Throws when another owner has taken what this one held. */
  async #check(): Promise<void> {
    if ((await touchedMs(this.#folder)) !== undefined) return;
    throw new StoreUnavailableError(
      `another owner took ${this.#path}, because this one gave no sign of life for ` +
        `${this.#timing.quietMs} ms; nothing was written after that, try again`,
    );
  }

  /** Moves what is at `path` out of the way; false when nothing was, or when it may not (K2). */
  async #away(path: string): Promise<boolean> {
    const aside = this.#temporary();
    try {
      await rename(path, aside);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    }
    await unlink(aside).catch(() => undefined); // What is left goes with the folder.
    return true;
  }

  /** Removes the link of an owner that is gone; true when it is worth trying again at once. */
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
    // No rename of that owner succeeds from here on (K2), and no other one has the claim (K4).
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
    // Time in which this process stood still does not count: the holder may have, too.
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

/** When a folder was last touched; `undefined` when it is gone. */
async function touchedMs(folder: string): Promise<number | undefined> {
  try {
    return (await stat(folder)).mtimeMs;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The code of what stands in the way, `undefined` when the link was made. */
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

async function linkText(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
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
