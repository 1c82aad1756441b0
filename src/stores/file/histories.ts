/**
 * The histories of the records of a directory: rows in files beside the record, its segments. The
 * record says which bytes of which segments belong to it (`HistoryLog`), so that a history changes
 * in the rename of its record and not before.
 *
 *     append to a segment, or make one ──sync──▶ rename the record ──sync──▶ remove old segments
 *
 * Invariants
 *  S1  What a record does not name is no part of its history: rows of a write that was interrupted
 *      before its record was renamed are overwritten by the next write, or removed.
 *  S2  A segment is made in the owner's folder and then renamed (K4 of `lock.ts`), and only its
 *      owner appends to it. So an owner that lost the directory changes no named byte.
 *  S3  An owner removes no file of a later owner: the names begin with the number of the lock.
 *  S4  Rows that are no longer kept are not returned. Their bytes are removed when they are half of
 *      what a write finds after `LOOK_MIN` or twice the rows left last time, so that the cost of a
 *      commit is bounded on average by what it adds.
 */
import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { HistoryKeep, HistoryQuery, HistoryRow } from "../contract.ts";
import {
  isWithin,
  keptFrom,
  type PlacedRow,
  type RowBounds,
  type RowPlace,
  selectRows,
} from "../shared/history-rows.ts";
import {
  fileNameOf,
  makeDirectory,
  readIfThere,
  replaceFile,
  syncFolder,
  unlessAbsent,
  withFile,
} from "./disk.ts";
import { decodeLine, encodeLine, type FileRow, LINE_END, scanLines } from "./history-lines.ts";

/** The bytes of segments below which no rows are removed from them. */
const LOOK_MIN = 65_536;
/** The most segments of a history: each opening of the directory that writes a row begins one. */
const SEGMENTS_MAX = 8;
/** The most rows whose places are cached, of all histories together. */
const PLACES_MAX = 50_000;
const NO_LOG: Pick<HistoryLog, "segments" | "look"> = { segments: [], look: LOOK_MIN };

/** The name of a segment, and how many of its bytes belong to the history. */
type Segment = readonly [name: string, bytes: number];

/** The part of a history that a record names. */
export interface HistoryLog {
  /** Oldest first. */
  readonly segments: readonly Segment[];
  readonly last: RowPlace;
  /** Rows that are not within it are removed. */
  readonly from: RowBounds;
  /** With more bytes, a write looks for rows to remove. */
  readonly look: number;
}

/** What a write adds to a history; `undefined`: there is none before it. */
export interface HistoryDraft {
  readonly log: HistoryLog | undefined;
  readonly rows: readonly PlacedRow[];
  readonly keep: HistoryKeep;
}

/** What the histories of an owner are made from. */
export interface HistoryParts {
  /** The folder of all histories; it is made with the first one. */
  readonly folder: string;
  /** The folder in which files are made before they are renamed. */
  readonly temporary: string;
  /** The number of the lock of the directory. */
  readonly owner: number;
  readonly fsync: boolean;
}

/** See the head of this file. */
export class Histories {
  readonly #parts: HistoryParts;
  /** The rows of histories as they were read here, by key. */
  readonly #places = new Map<string, { readonly log: HistoryLog; readonly rows: FileRow[] }>();
  #placesCount = 0;
  #made = 0;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  /** Adds the rows of a write; resolves to what the record must name from then on. */
  async append(key: string, { log, rows, keep }: HistoryDraft): Promise<HistoryLog | undefined> {
    const last = rows.at(-1);
    if (last === undefined) return log;
    const from = laterOf(keptFrom(last, keep), log?.from);
    const kept = rows.filter((row) => isWithin(row, from));
    const bytes = Buffer.concat(kept.map((row) => encodeLine(key, row)));
    const { segments, look } = log ?? NO_LOG;
    const left = log && (await this.#linesLeft(key, log, from));
    if (left !== undefined) {
      const segment = await this.#make(key, Buffer.concat([...left, bytes]));
      return { segments: [segment], last, from, look: Math.max(LOOK_MIN, 2 * segment[1]) };
    }
    const length = lengthOf(segments);
    const next = { last, from, look: length > look ? 2 * length : look };
    return { ...next, segments: await this.#added(key, segments, bytes) };
  }

  /**
   * Writes the rows that are left into a segment of their own; resolves to what the record must
   * name from then on, and how many rows were removed. `undefined`: all are kept.
   */
  async prune(
    key: string,
    log: HistoryLog,
    keep: HistoryKeep,
  ): Promise<{ readonly log: HistoryLog; readonly count: number } | undefined> {
    const rows = (await this.#rowsOf(key, log)).filter((row) => isWithin(row, log.from));
    const from = laterOf(keptFrom(log.last, keep), log.from);
    const left = rows.filter((row) => isWithin(row, from));
    const count = rows.length - left.length;
    if (count === 0) return undefined;
    const lines = await this.#linesOf(key, left);
    const segments = left.length === 0 ? [] : [await this.#make(key, Buffer.concat(lines))];
    const look = Math.max(LOOK_MIN, 2 * lengthOf(segments));
    return { log: { ...log, segments, from, look }, count };
  }

  /** The segments with more bytes: in the last one, if it can be appended to. */
  async #added(key: string, segments: readonly Segment[], bytes: Buffer): Promise<Segment[]> {
    const end = segments.at(-1);
    if (end !== undefined && this.#isOwn(end) && (await this.#extend(key, end, bytes)))
      return [...segments.slice(0, -1), [end[0], end[1] + bytes.length]];
    return [...segments, await this.#make(key, bytes)];
  }

  #isOwn([name]: Segment): boolean {
    return name.startsWith(`${this.#parts.owner}-`);
  }

  /** The lines that are left, when they are to be written anew (S4). */
  async #linesLeft(key: string, log: HistoryLog, from: RowBounds): Promise<Buffer[] | undefined> {
    const { segments, look } = log;
    const isMany =
      segments.length >= SEGMENTS_MAX && !segments.slice(-1).some((end) => this.#isOwn(end));
    const length = lengthOf(segments);
    if (!isMany && length <= look) return undefined;
    const rows = (await this.#rowsOf(key, log)).filter((row) => isWithin(row, from));
    const left = rows.reduce((sum, row) => sum + row.length, 0);
    return isMany || 2 * left <= length ? this.#linesOf(key, rows) : undefined;
  }

  /** The rows of a record that names `log`, as a query selects them. */
  async read(key: string, log: HistoryLog, query: HistoryQuery): Promise<HistoryRow[]> {
    const selected = selectRows(await this.#rowsOf(key, log), query, log.from);
    const lines = await this.#linesOf(key, selected);
    return lines.map((line) => decodeLine(key, line) ?? this.#refuse(key));
  }

  /** The record is stored and names `log`: removes its other segments (S3). */
  async settle(key: string, log?: HistoryLog): Promise<void> {
    if (log === undefined) this.#forget(key);
    const folder = this.#folderOf(key);
    const named = new Set(log?.segments.map(([name]) => name));
    for (const name of (await unlessAbsent(readdir(folder))) ?? []) {
      const isOlder = Number.parseInt(name, 10) <= this.#parts.owner;
      if (isOlder && !named.has(name)) await rm(join(folder, name), { force: true });
    }
    if (named.size === 0) await rmdir(folder).catch(() => undefined); // A later owner may use it.
  }

  #folderOf(key: string): string {
    return join(this.#parts.folder, fileNameOf(key));
  }

  /** Makes a segment; resolves to its name and length. */
  async #make(key: string, bytes: Buffer): Promise<readonly [string, number]> {
    const { folder, temporary, owner, fsync } = this.#parts;
    this.#made += 1;
    const name = `${owner}-${this.#made}`;
    const own = this.#folderOf(key);
    await makeDirectory(own);
    const file = join(temporary, `${fileNameOf(key)}.${name}`);
    await replaceFile(bytes, { temporary: file, target: join(own, name), fsync });
    if (fsync) for (const each of [own, folder, dirname(folder)]) await syncFolder(each);
    return [name, bytes.length];
  }

  /** Writes behind the named bytes of a segment; false when its file was removed or shortened. */
  async #extend(key: string, [name, from]: Segment, bytes: Buffer): Promise<boolean> {
    const isDone = await withFile(join(this.#folderOf(key), name), "r+", async (file) => {
      if ((await file.stat()).size < from) return false;
      await file.write(bytes, 0, bytes.length, from);
      if (this.#parts.fsync) await file.datasync();
      return true;
    });
    return isDone === true;
  }

  /** All rows in the named bytes; those of a segment whose file was removed are missing. */
  async #rowsOf(key: string, log: HistoryLog): Promise<readonly FileRow[]> {
    const known = this.#places.get(key);
    if (known?.log === log) return known.rows;
    const rows: FileRow[] = [];
    for (const [name, length] of log.segments) {
      const bytes = await readIfThere(join(this.#folderOf(key), name));
      if (bytes === undefined) continue;
      const named = bytes.subarray(0, length);
      // In a copy made while the program ran, the last rows may be missing.
      const whole = named.subarray(0, named.lastIndexOf(LINE_END) + 1);
      const found = scanLines(key, name, bytes.length < length ? whole : named);
      for (const row of found ?? this.#refuse(key)) rows.push(row);
    }
    this.#remember(key, log, rows);
    return rows;
  }

  /** The lines of rows that follow each other, in their order; none of a file that was removed. */
  async #linesOf(key: string, rows: readonly FileRow[]): Promise<Buffer[]> {
    const lines: Buffer[] = [];
    for (const segment of new Set(rows.map((row) => row.segment))) {
      const own = rows.filter((row) => row.segment === segment);
      const from = own.reduce((least, { offset }) => Math.min(least, offset), Infinity);
      const to = own.reduce((most, { offset, length }) => Math.max(most, offset + length), 0);
      const found = await withFile(join(this.#folderOf(key), segment), "r", async (file) => {
        const bytes = Buffer.alloc(to - from);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
        return bytesRead === bytes.length ? bytes : this.#refuse(key);
      });
      if (found === undefined) continue;
      for (const { offset, length } of own)
        lines.push(found.subarray(offset - from, offset - from + length));
    }
    return lines;
  }

  #remember(key: string, log: HistoryLog, rows: FileRow[]): void {
    this.#forget(key);
    this.#places.set(key, { log, rows });
    this.#placesCount += rows.length;
    // A Map iterates in the order of insertion: the oldest goes first.
    for (const oldest of this.#places.keys()) {
      if (this.#placesCount <= PLACES_MAX) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#placesCount -= this.#places.get(key)?.rows.length ?? 0;
    this.#places.delete(key);
  }

  #refuse(key: string): never {
    const location = this.#folderOf(key);
    const reason = "a file of this history was changed; without these files it begins anew";
    throw new CorruptStateError({ location, reason });
  }
}

/** True when `later` has the segments of `log`, and no new one. */
export function isLonger(log: HistoryLog | undefined, later: HistoryLog | undefined): boolean {
  return log?.segments.at(-1)?.[0] === later?.segments.at(-1)?.[0];
}

/** Which rows both bounds keep. */
function laterOf(one: RowBounds, other: RowBounds = one): RowBounds {
  return {
    seq: Math.max(one.seq, other.seq),
    at: Math.max(one.at, other.at),
    start: Math.max(one.start, other.start),
  };
}

function lengthOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, [, bytes]) => sum + bytes, 0);
}
