/**
 * Which process owns something, in words that another process can check: so that what a killed
 * process left behind can be taken over at once, and what a living one holds never is.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, as it is written down. */
export interface ProcessOwner {
  readonly pid: number;
  /** The host, and where the system has them the set of processes the pid counts in. */
  readonly host: string;
  /** Tells a process from a later one with the same pid; empty where the system does not say. */
  readonly start: string;
}

let self: ProcessOwner | null = null;

/** This process. */
export function thisProcess(): ProcessOwner {
  self ??= Object.freeze({ pid: process.pid, host: hostName(), start: startOf(process.pid) });
  return self;
}

/**
 * True when the owner has certainly ended: it ran on this host and its process is gone. False
 * whenever that cannot be known.
 */
export function isDead(owner: ProcessOwner): boolean {
  if (owner.host !== thisProcess().host) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
  return owner.start !== "" && owner.start !== startOf(owner.pid);
}

function hostName(): string {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    // Not Linux: the name alone has to do.
    return hostname();
  }
}

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
