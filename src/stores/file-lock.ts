/**
 * One process per directory.
 *
 * The lock is the file `lock.<n>` with the highest n. It is made whole by link(2), which fails if
 * the name is taken, and a number is never used again: a closed lock stays until the next one is
 * there. So two processes that both find a dead owner cannot both take over, and nobody removes a
 * living lock.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { link, readdir, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { readIfThere, systemCode, writeWhole } from "./file-disk.ts";

/** The held lock of a directory. */
export interface DirectoryLock {
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells a process from a later one with the same pid; empty where the system does not say. */
  readonly start: string;
  readonly released: boolean;
}

const PREFIX = "lock.";
const DRAFT_PREFIX = "lock-";
/** Each failed attempt means another process just took over. */
const ATTEMPTS_MAX = 20;

function startOf(pid: number): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22, counted after the command name, which may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${boot}/${fields[19] ?? ""}`;
  } catch {
    // Not Linux, or the process is gone: the pid alone has to do.
    return "";
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    if (systemCode(error) === "ESRCH") return false;
  }
  return holder.start === "" || holder.start === startOf(holder.pid);
}

function parseHolder(text: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    // An object from JSON.parse; each field is checked before it is used.
    const { pid, host, start, released } = parsed as Record<string, unknown>;
    if (typeof pid !== "number" || typeof host !== "string") return undefined;
    if (typeof start !== "string" || typeof released !== "boolean") return undefined;
    return { pid, host, start, released };
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
  const mine = holder.pid === process.pid && holder.host === hostname();
  const who = mine
    ? "another store object of this process"
    : `process ${holder.pid} on ${holder.host}`;
  return new StoreUnavailableError(
    `the store directory ${dir} is in use by ${who}; close that store first` +
      (holder.host === hostname() ? "" : `, or remove ${path} if that host is gone`),
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
  if (holder === undefined || holder.host !== hostname() || isAlive(holder))
    throw refusal(dir, path, holder);
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
  const { pid } = process;
  const holder: Holder = { pid, host: hostname(), start: startOf(pid), released: false };
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
