/** What a look at a store has found. */
import { statfs } from "node:fs/promises";

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `warning`: it works, but acknowledged writes could be lost or late. `error`: damage. */
  readonly level: "ok" | "info" | "warning" | "error";
  readonly text: string;
}

/** Free space of a disk below which it may soon be full; bytes. */
const FREE_MIN = 100 * 1024 * 1024;

/** A difference of clocks up to this many milliseconds counts as none. */
const SKEW_MS = 1_000;

/** The finding about a server's clock, which was asked between two times of the own one. */
export function clockFinding(serverMs: number, before: number, after: number): Finding {
  const late = Math.max(0, before - serverMs);
  const early = Math.max(0, serverMs - after);
  const skew = Math.round(early - late);
  const isClose = Math.abs(skew) <= SKEW_MS;
  const text = isClose ? "as the server's" : `the server's differs by ${skew} ms`;
  return { name: "clock", level: isClose ? "ok" : "warning", text };
}

/** The finding about the free space of the disk that a directory is on. */
export async function diskFinding(directory: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  const text = `${Math.floor(free / 1024 / 1024)} MiB free`;
  return { name: "disk", level: free < FREE_MIN ? "warning" : "ok", text };
}
