/**
 * One process per directory.
 *
 * The lock is the file `lock.<n>` with the highest n. It is made whole by link(2), which fails if
 * the name is taken, and a number is never used again: a closed lock stays until the next one is
 * there. So two processes that both find a dead owner cannot both take over, and nobody removes a
 * living lock.
 */
import { randomUUID } from "node:crypto";
import { link, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { readIfThere, systemCode, writeWhole } from "./file-disk.ts";
import { isDead, readOwner, thisProcess, type ProcessOwner } from "./process-owner.ts";

/** The held lock of a directory. */
export interface DirectoryLock {
  release(): Promise<void>;
}

interface Holder extends ProcessOwner {
  readonly released: boolean;
}

const PREFIX = "lock.";
const DRAFT_PREFIX = "lock-";
/** Each failed attempt means another process just took over. */
const ATTEMPTS_MAX = 20;

function parseHolder(text: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const owner = readOwner(parsed);
    if (owner === undefined || !("released" in parsed)) return undefined;
    return { ...owner, released: parsed.released === true };
  } catch {
    return undefined;
  }
}

/** The numbers of the lock files, highest first. */
async function lockNumbers(dir: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await readdir(dir)) {
    if (/^lock\.\d+$/.test(name)) numbers.push(Number(name.slice(PREFIX.length)));
  }
  return numbers.toSorted((left, right) => right - left);
}

function refusal(dir: string, path: string, holder: Holder | undefined): StoreUnavailableError {
  if (holder === undefined)
    return new StoreUnavailableError(
      `the lock ${path} cannot be read; remove it if no process uses the directory`,
    );
  const here = thisProcess();
  const mine = holder.pid === here.pid && holder.host === here.host;
  const who = mine
    ? "another store object of this process"
    : `process ${holder.pid} on ${holder.host}`;
  return new StoreUnavailableError(
    `the store directory ${dir} is in use by ${who}; close that store first` +
      (holder.host === here.host ? "" : `, or remove ${path} if that host is gone`),
  );
}

async function checkFree(dir: string, highest: number): Promise<void> {
  if (highest === 0) return;
  const path = join(dir, PREFIX + String(highest));
  const bytes = await readIfThere(path);
  // Removed in between: the attempt that follows finds the higher number.
  if (bytes === undefined) return;
  const holder = parseHolder(bytes.toString());
  if (holder?.released === true) return;
  if (holder === undefined || !isDead(holder)) throw refusal(dir, path, holder);
}

async function claim(draft: string, dir: string, number: number): Promise<boolean> {
  const path = join(dir, PREFIX + String(number));
  try {
    await link(draft, path);
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
  const [highest = 0, ...older] = await lockNumbers(dir);
  if (highest !== number) {
    // An old listing led here; somebody is further on.
    await rm(path, { force: true });
    return false;
  }
  for (const old of older) await rm(join(dir, PREFIX + String(old)), { force: true });
  // Drafts of killed processes; a living one that loses its draft here would be refused anyway.
  for (const name of await readdir(dir)) {
    if (name.startsWith(DRAFT_PREFIX)) await rm(join(dir, name), { force: true });
  }
  return true;
}

function createLock(dir: string, number: number, holder: Holder): DirectoryLock {
  return {
    async release() {
      const draft = join(dir, DRAFT_PREFIX + randomUUID());
      await writeWhole(draft, Buffer.from(JSON.stringify({ ...holder, released: true })), true);
      await rename(draft, join(dir, PREFIX + String(number)));
    },
  };
}

/**
 * Takes the lock of `dir`, from a dead process too; throws `StoreUnavailableError` if it is in use.
 */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const holder: Holder = { ...thisProcess(), released: false };
  const draft = join(dir, DRAFT_PREFIX + randomUUID());
  await writeWhole(draft, Buffer.from(JSON.stringify(holder)), true);
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const [highest = 0] = await lockNumbers(dir);
      await checkFree(dir, highest);
      if (await claim(draft, dir, highest + 1)) return createLock(dir, highest + 1, holder);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new StoreUnavailableError(`the store directory ${dir} is being taken over; try again`);
}
