/**
 * Identifies the owner of a file or lease so that another owner can check it. What a killed process
 * left behind can then be acquired at once; what a running process owns cannot.
 *
 *  O1  An owner is one loaded copy of this module, in a thread, in a process, in a set of process
 *      ids, on one boot of a machine. Two copies in one process are two owners.
 *  O2  An owner is known to have ended only where its process id means the same process as here: on
 *      the same boot and in the same set of process ids. A host name proves nothing.
 *  O3  An owner that is not known to have ended counts as running until its lease expires.
 */
import type * as FileSystem from "node:fs";
import { hostname } from "node:os";
import { isError } from "../../../actors/realm.ts";
import { randomUUID } from "./node-crypto.ts";

/** An owner, as it is stored. Texts are empty where the system does not provide them. */
export interface ProcessOwner {
  readonly pid: number;
  /** Only for display; see O2. */
  readonly host: string;
  /** The boot of the machine. */
  readonly boot: string;
  /** The set of processes (pid namespace) that the pid belongs to. */
  readonly space: string;
  /** Distinguishes a process from a later one with the same pid. */
  readonly start: string;
  readonly thread: number;
  /** Distinguishes the loaded copies of this module. */
  readonly instance: string;
}

let self: ProcessOwner | null = null;

/** Not imported: that would load the streams, too, and only programs with leases need it. */
function fileSystem(): typeof FileSystem {
  return process.getBuiltinModule("node:fs");
}

/** This copy of the module, in this process. */
export function thisProcess(): ProcessOwner {
  self ??= Object.freeze({
    pid: process.pid,
    host: hostname(),
    boot: textOf(() => fileSystem().readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    space: textOf(() => fileSystem().readlinkSync("/proc/self/ns/pid")),
    start: startOf(process.pid),
    // Loading it takes longer than the rest of this package; few programs use leases.
    thread: process.getBuiltinModule("node:worker_threads").threadId,
    instance: randomUUID(),
  });
  return self;
}

/**
 * A stored owner, each field checked; `undefined` for any other value. An owner stored by a release
 * with fewer fields is one of which nothing can be known.
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
    // EPERM: it runs, as another user.
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

/** The owner as text for an error message. */
export function describeOwner(owner: ProcessOwner): string {
  return `process ${owner.pid} on ${owner.host}`;
}

function hasSamePids({ boot, space }: ProcessOwner): boolean {
  const here = thisProcess();
  return boot !== "" && space !== "" && boot === here.boot && space === here.space;
}

function startOf(pid: number): string {
  return textOf(() => {
    const stat = fileSystem().readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22, counted after the command name, which may contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  });
}

/** Empty where the system has no such file, or the process has ended. */
function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
