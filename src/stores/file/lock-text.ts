/**
 * What a lock file says: its holder on the first line, and on the second, which always has the same
 * length so that it can be written in place, for how long the holder was not used.
 */
import { readOwner, type ProcessOwner } from "../shared/process-identity.ts";

/** The holder of a lock. */
export interface Holder extends ProcessOwner {
  readonly released: boolean;
}

/** The holder as it was found. */
export interface FoundHolder extends Holder {
  /** Milliseconds without use, as of the last sign of life; an earlier release does not say. */
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

/** A sign of life: the bytes to write, and where. */
export function lockBeat(holder: Holder, idleMs: number): { bytes: Buffer; at: number } {
  return {
    bytes: Buffer.from(idleLine(idleMs)),
    at: Buffer.byteLength(JSON.stringify(holder)) + 1,
  };
}

/** The holder a text names; `undefined` for no lock's text. */
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
