/**
 * Walks through the documents of a store and removes expired tombstones.
 *
 * A walk reads the first bytes of each file, which state when its record can be removed. Only a
 * file that seems to have expired is read whole and checked.
 */
import type { Dir } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type KeyQueue, mapBounded } from "../shared/key-queue.ts";
import { readIfThere, withFile } from "./disk.ts";
import { decodeDocument, type FileDocument, forgetsIn } from "./document.ts";
import type { FileRecords } from "./records.ts";

/** The files of one batch of a walk; the next constant is how many are read at a time. */
const FILES_PER_PART = 256;
const LOOKS_AT_ONCE = 8;
/** The bytes that contain all fields before a state, unless the key is longer. */
const START_BYTES = 4_096;

/** The settings of a walk. */
export interface WalkSettings {
  /** For tombstones of an earlier release; milliseconds. */
  readonly tombstoneMs: number;
  /** Serializes a removal with the writes of its key. */
  readonly queue: KeyQueue;
}

/** One walk after another; see the header of this file. */
export class FileWalk {
  readonly #settings: WalkSettings;
  #folder: Dir | undefined;
  /** The earliest expiry that this walk found and did not remove. */
  #next = Infinity;

  constructor(settings: WalkSettings) {
    this.#settings = settings;
  }

  /** Runs a batch; resolves to `-Infinity`, or at a walk's end to when the next has work to do. */
  async part(records: FileRecords, now: number): Promise<number> {
    this.#folder ??= await opendir(records.folder);
    const names: string[] = [];
    while (names.length < FILES_PER_PART) {
      const entry = await this.#folder.read();
      if (entry === null) break;
      names.push(entry.name);
    }
    // An unreadable file stays: loading its key reports the reason.
    const look = (name: string): Promise<number> =>
      this.#look(name, records, now).catch(() => Infinity);
    const ends = await mapBounded(names, LOOKS_AT_ONCE, look);
    this.#next = Math.min(this.#next, ...ends);
    if (names.length === FILES_PER_PART) return -Infinity;
    const next = this.#next;
    await this.end();
    return next;
  }

  /** Ends a running walk. */
  async end(): Promise<void> {
    const folder = this.#folder;
    [this.#folder, this.#next] = [undefined, Infinity];
    await folder?.close();
  }

  /** When the file of this name can be removed; `Infinity` when it stays, or does not exist. */
  async #look(name: string, records: FileRecords, now: number): Promise<number> {
    const path = join(records.folder, name);
    const start = await startOf(path);
    const claimed = start === undefined ? undefined : forgetsIn(start);
    if (claimed === undefined) return Infinity;
    if (claimed > now) return claimed;
    const end = await this.#endOf(path);
    if (end === undefined || end.at > now) return end?.at ?? Infinity;
    const { key } = end.document;
    return this.#settings.queue.run([key], async () => {
      const again = await this.#endOf(path); // It may have been written meanwhile.
      if (again === undefined || again.document.key !== key || again.at > now)
        return again?.at ?? Infinity;
      await records.remove(key);
      return Infinity;
    });
  }

  /** A whole document and when it can be removed; a damaged one stays for `load` to report. */
  async #endOf(path: string): Promise<{ document: FileDocument; at: number } | undefined> {
    const bytes = await readIfThere(path);
    const document = bytes === undefined ? undefined : decodeDocument(bytes);
    if (typeof document !== "object") return undefined;
    const { forgets, expires, state } = document;
    if (forgets !== undefined) return { document, at: forgets };
    const { tombstoneMs } = this.#settings;
    if (state === undefined) return { document, at: (await stat(path)).mtimeMs + tombstoneMs };
    return { document, at: (expires ?? Infinity) + tombstoneMs };
  }
}

function startOf(path: string): Promise<Buffer | undefined> {
  return withFile(path, "r", async (file) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  });
}
