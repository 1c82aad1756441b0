/**
 * The text of a lock file. The first line names its owner. The second states for how long the owner
 * was not used; it always has the same length, so that it can be overwritten.
 */
import { readOwner, type ProcessOwner } from "../shared/process-identity.ts";

/** The owner of a lock. */
export interface Holder extends ProcessOwner {
  readonly released: boolean;
}

/** The owner as it was read. */
export interface FoundHolder extends Holder {
  /** Milliseconds without use, at the last beat; 0 from an earlier release. */
  readonly idleMs: number;
}

const IDLE_DIGITS = 16;

function idleLine(idleMs: number): string {
  return `${Math.floor(idleMs)}`.padStart(IDLE_DIGITS, "0");
}

/** The whole text of a lock that is in use. */
export function formatLock(holder: Holder): Buffer {
  return Buffer.from(`${JSON.stringify(holder)}\n${idleLine(0)}\n`);
}

/** A beat: the bytes to write, and their offset. */
export function lockBeat(holder: Holder, idleMs: number): { bytes: Buffer; at: number } {
  return {
    bytes: Buffer.from(idleLine(idleMs)),
    at: Buffer.byteLength(JSON.stringify(holder)) + 1,
  };
}

/** The owner that a text names; `undefined` for any other text. */
export function parseLock(text: string): FoundHolder | undefined {
  const [line = "", idle = ""] = text.split("\n");
  try {
    const parsed: unknown = JSON.parse(line);
    const owner = readOwner(parsed);
    // An owner was read from it, so it is an object.
    const released = (parsed as { released?: unknown } | null)?.released;
    if (owner === undefined || typeof released !== "boolean") return undefined;
    return { ...owner, released, idleMs: Number(idle) || 0 };
  } catch {
    return undefined;
  }
}
