/**
 * Who owns something, in words that another owner can check: so that what a killed process left
 * behind can be taken over at once, and what a living one holds never is.
 *
 *  O1  An owner is one loaded copy of this module, in a thread, in a process, in a set of process
 *      ids, on one boot of a machine. Two copies in one process are two owners.
 *  O2  An owner is known to be dead only where its process id means the same process as here: on
 *      the same boot and in the same set of process ids. A name of a host proves nothing.
 *  O3  An owner that is not known to be dead is alive until its lease is over.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { threadId } from "node:worker_threads";
import { isError } from "../../../actors/realm.ts";

/** An owner, as it is written down. Texts are empty where the system does not say. */
export interface ProcessOwner {
  readonly pid: number;
  /** For people to read; see O2. */
  readonly host: string;
  /** The boot of the machine. */
  readonly boot: string;
  /** The set of processes the pid counts in. */
  readonly space: string;
  /** Tells a process from a later one with the same pid. */
  readonly start: string;
  readonly thread: number;
  /** Tells the loaded copies of this module apart. */
  readonly instance: string;
}

let self: ProcessOwner | null = null;

/** This copy of the module, in this process. */
export function thisProcess(): ProcessOwner {
  self ??= Object.freeze({
    pid: process.pid,
    host: hostname(),
    boot: textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    space: textOf(() => readlinkSync("/proc/self/ns/pid")),
    start: startOf(process.pid),
    thread: threadId,
    instance: randomUUID(),
  });
  return self;
}

/**
 * An owner as it was written down, each field checked; `undefined` for what is none. One written
 * by a release that knew fewer fields is an owner of which nothing can be known.
 */
export function readOwner(written: unknown): ProcessOwner | undefined {
  if (typeof written !== "object" || written === null) return undefined;
  // An object from JSON.parse; each field is checked before it is used.
  const { pid, host, boot, space, start, thread, instance } = written as Record<string, unknown>;
  if (typeof pid !== "number" || typeof host !== "string") return undefined;
  const isWhole =
    typeof boot === "string" && typeof space === "string" && typeof start === "string";
  return {
    pid,
    host,
    boot: isWhole ? boot : "",
    space: isWhole ? space : "",
    start: isWhole ? start : "",
    thread: typeof thread === "number" ? thread : -1,
    instance: typeof instance === "string" ? instance : "",
  };
}

/** True when the owner has certainly ended; false whenever that cannot be known (O2). */
export function isDead(owner: ProcessOwner): boolean {
  if (!hasSamePids(owner)) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    return isError(error) && "code" in error && error.code === "ESRCH";
  }
  const start = startOf(owner.pid);
  return start !== "" && owner.start !== "" && owner.start !== start;
}

/** True for this copy of the module, and for another one in the same thread of this process. */
export function isThisThread(owner: ProcessOwner): boolean {
  const here = thisProcess();
  if (owner.instance === here.instance) return true;
  const isSameProcess = hasSamePids(owner) && owner.pid === here.pid && owner.start === here.start;
  return isSameProcess && owner.start !== "" && owner.thread === here.thread;
}

/** The owner in an error's words. */
export function describeOwner(owner: ProcessOwner): string {
  return `process ${owner.pid} on ${owner.host}`;
}

function hasSamePids({ boot, space }: ProcessOwner): boolean {
  const here = thisProcess();
  return boot !== "" && space !== "" && boot === here.boot && space === here.space;
}

function startOf(pid: number): string {
  return textOf(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22, counted after the command name, which may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  });
}

/** Empty where the system has no such file, or the process is gone. */
function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
