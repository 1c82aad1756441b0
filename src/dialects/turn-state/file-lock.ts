/**
 * A short exclusive lock on one document, across processes: a symbolic link that says who holds it.
 *
 * Making a link is atomic and carries its text with it, so there is never a lock without an
 * owner. A lock carries a number of its own; only who made the link for taking over that very
 * lock may remove it, so two processes that both find a dead owner cannot both take over.
 */
import { randomUUID } from "node:crypto";
import { readlink, symlink, unlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { systemCode } from "../../stores/file-disk.ts";
import { isDead, readOwner, thisProcess, type ProcessOwner } from "../../stores/process-owner.ts";

/** Milliseconds to wait for another process to finish its write. */
const LOCK_WAIT_MS = 10_000;
const POLL_MIN_MS = 2;
const POLL_MAX_MS = 50;

/** Runs `work` while this process has the lock at `path`. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const isHeld = await takeLock(path);
  try {
    return await work();
  } finally {
    if (isHeld) await unlink(path);
  }
}

/** False where links cannot be made: then only the mailboxes of this process keep order. */
async function takeLock(path: string): Promise<boolean> {
  const mine = JSON.stringify({ ...thisProcess(), lock: randomUUID() });
  const until = Date.now() + LOCK_WAIT_MS;
  for (let waitMs = POLL_MIN_MS; ; waitMs = Math.min(waitMs * 2, POLL_MAX_MS)) {
    const code = await tryLink(mine, path);
    if (code === undefined) return true;
    if (code === "EPERM" || code === "ENOTSUP") return false;
    if (await removeDead(path, mine)) continue;
    if (Date.now() > until)
      throw new StoreUnavailableError(
        `another process holds ${path} for ${LOCK_WAIT_MS} ms; remove it if that process is gone`,
      );
    await sleep(waitMs);
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

/** Removes the lock of a process that is gone; true when it is worth trying again at once. */
async function removeDead(path: string, mine: string): Promise<boolean> {
  const text = await linkText(path);
  if (text === undefined) return true;
  const owner = readLock(text);
  if (owner === undefined || !isDead(owner)) return false;
  const takeover = `${path}-${owner.lock}`;
  if ((await tryLink(mine, takeover)) !== undefined) return false;
  try {
    if ((await linkText(path)) === text) await unlink(path);
  } finally {
    await unlink(takeover);
  }
  return true;
}

async function linkText(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

interface LockOwner extends ProcessOwner {
  readonly lock: string;
}

function readLock(text: string): LockOwner | undefined {
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
