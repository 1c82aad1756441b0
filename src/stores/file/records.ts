/**
 * The documents of one locked directory: reads, replaces and lists them, and sets damaged ones
 * aside.
 */
import { randomUUID } from "node:crypto";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CommitUnknownError, CorruptStateError } from "../../../actors/errors.ts";
import {
  fileNameOf,
  isThere,
  makeDirectory,
  openDirectory,
  readIfThere,
  replaceFile,
  type SyncedDirectory,
  unlessAbsent,
} from "./disk.ts";
import { type HistoryDraft, type HistoryLog, Histories, isLonger } from "./histories.ts";
import type { DirectoryLock } from "./lock.ts";
import type { HistoryKeep } from "../contract.ts";
import { toJsonText } from "../shared/writes.ts";
import { decodeDocument, encodeDocument, type FileDocument } from "./document.ts";
import { mapBounded, settleBounded } from "../shared/key-queue.ts";

/** The most files that are read or written at a time. */
const FILES_AT_ONCE = 16;
/** The most heads that are cached until `list` has made the index of all keys. */
const HEADS_MAX = 10_000;

/** The cached fields of a document. */
export interface Head {
  readonly version: number;
  readonly expires: number | undefined;
  readonly living: boolean;
  readonly history: HistoryLog | undefined;
}

/** A document to be written; `text` is the JSON of its state, `undefined` for a tombstone. */
export interface Draft {
  readonly key: string;
  readonly version: number;
  readonly expires: number | undefined;
  readonly forgets: number | undefined;
  readonly text: string | undefined;
  /** `undefined`: it has no history. */
  readonly history: HistoryDraft | undefined;
}

/** A document that was written, with the history it names. */
export interface Written {
  readonly draft: Draft;
  readonly history: HistoryLog | undefined;
}

interface Parts {
  /** The folder of the documents. */
  readonly folder: string;
  readonly corrupt: string;
  readonly temporary: string;
  readonly directory: SyncedDirectory;
  readonly fsync: boolean;
  /** Names of files that were set aside and not yet seen removed. */
  readonly aside: Set<string>;
}

/** The documents of a directory that this process has locked. */
export class FileRecords {
  readonly #parts: Parts;
  /** The rows beside the documents. */
  readonly histories: Histories;
  /** Only this process writes here, so what was read or written once stays valid. */
  readonly #heads = new Map<string, Head>();
  #indexed: Promise<void> | undefined;
  /** Counts how often heads were taken out: what was read before that may not go in. */
  #removals = 0;

  private constructor(parts: Parts, histories: Histories) {
    this.#parts = parts;
    this.histories = histories;
  }

  /** Makes the folders of `dir`; files are written in the folder of its lock and then renamed. */
  static async open(dir: string, lock: DirectoryLock, fsync: boolean): Promise<FileRecords> {
    const { folder: temporary, number: owner } = lock;
    const [folder, corrupt] = [join(dir, "records"), join(dir, "corrupt")];
    for (const path of [folder, corrupt]) await makeDirectory(path);
    const aside = new Set(await readdir(corrupt));
    const directory = await openDirectory(folder);
    const histories = new Histories({ folder: join(dir, "history"), temporary, owner, fsync });
    return new FileRecords({ folder, corrupt, temporary, directory, fsync, aside }, histories);
  }

  /** Reads a document; throws `CorruptStateError` for a damaged one, which is moved aside first. */
  async read(key: string): Promise<FileDocument | undefined> {
    const name = fileNameOf(key);
    const bytes = await readIfThere(join(this.folder, name));
    if (bytes === undefined) {
      await this.#checkAside(name);
      return undefined;
    }
    const document = decodeDocument(bytes);
    if (typeof document === "string") return this.#setAside(name, document);
    if (document.key !== key) return this.#setAside(name, "it belongs to another key");
    this.#remember(key, headOf(document));
    return document;
  }

  /** The head of a document, from the cache if it is there. */
  async head(key: string): Promise<Head | undefined> {
    const known = this.#heads.get(key);
    if (known !== undefined) return known;
    const document = await this.read(key);
    return document === undefined ? undefined : headOf(document);
  }

  /** Writes documents concurrently; the results tell which were written. */
  async write(drafts: readonly Draft[]): Promise<PromiseSettledResult<Written>[]> {
    return settleBounded(drafts, FILES_AT_ONCE, async (draft) => {
      const { key, version, expires, forgets, text } = draft;
      const name = fileNameOf(key);
      const { folder, temporary, fsync } = this.#parts;
      const history = draft.history && (await this.histories.append(key, draft.history));
      await replaceFile(encodeDocument({ key, version, expires, forgets, history }, text), {
        temporary: join(temporary, `${name}.${randomUUID()}`),
        target: join(folder, name),
        fsync,
      });
      this.#remember(key, { version, expires, living: text !== undefined, history });
      return { draft, history };
    });
  }

  /** Removes what a stored document no longer names of its history. */
  async settle({ draft: { key, text, history: before }, history }: Written): Promise<void> {
    const isGone = text === undefined;
    if (isGone || !isLonger(before?.log, history)) await this.histories.settle(key, history);
  }

  /**
   * Removes the file of a key, also one that was set aside; resolves to whether there was one. The
   * caller syncs.
   */
  async remove(key: string): Promise<boolean> {
    const name = fileNameOf(key);
    const { folder, corrupt, aside } = this.#parts;
    const removed = await Promise.all([
      removeIfThere(join(folder, name)),
      aside.has(name) && removeIfThere(join(corrupt, name)),
    ]);
    await this.histories.settle(key);
    aside.delete(name);
    this.#heads.delete(key);
    this.#removals += 1;
    return removed.includes(true);
  }

  /** The folder of the documents. */
  get folder(): string {
    return this.#parts.folder;
  }

  /** Makes the renames of finished writes durable. */
  async sync(): Promise<void> {
    if (this.#parts.fsync) await this.#parts.directory.sync();
  }

  /** Drops `keys` from the cache, so that they are read again. */
  forget(keys: Iterable<string>): void {
    for (const key of keys) this.#heads.delete(key);
    this.#removals += 1;
    // The index is the cache: without all heads it is made again.
    this.#indexed = undefined;
  }

  /** Every key with its head. The first call reads every document, later ones none. */
  async all(): Promise<ReadonlyMap<string, Head>> {
    this.#indexed ??= this.#index();
    try {
      await this.#indexed;
    } catch (error) {
      this.#indexed = undefined;
      throw error;
    }
    return this.#heads;
  }

  /** Releases the directory. */
  close(): Promise<void> {
    return this.#parts.directory.close();
  }

  async #index(): Promise<void> {
    const names = await readdir(this.folder);
    await mapBounded(names, FILES_AT_ONCE, async (name) => {
      let bytes: Buffer | undefined;
      let removals: number;
      do {
        removals = this.#removals;
        bytes = await readIfThere(join(this.folder, name));
      } while (removals !== this.#removals);
      const document = bytes === undefined ? undefined : decodeDocument(bytes);
      // A damaged document has no key to list; loading its key reports it.
      if (typeof document !== "object" || fileNameOf(document.key) !== name) return;
      if (!this.#heads.has(document.key)) this.#heads.set(document.key, headOf(document));
    });
  }

  #remember(key: string, head: Head): void {
    if (this.#indexed === undefined && this.#heads.size >= HEADS_MAX && !this.#heads.has(key)) {
      // A Map iterates in the order of insertion: the oldest is deleted.
      for (const oldest of this.#heads.keys()) {
        this.#heads.delete(oldest);
        break;
      }
    }
    this.#heads.set(key, head);
  }

  async #setAside(name: string, reason: string): Promise<never> {
    const { folder, corrupt, aside } = this.#parts;
    const location = join(corrupt, name);
    await rename(join(folder, name), location);
    aside.add(name);
    throw new CorruptStateError({ location, reason });
  }

  /** A key whose file was set aside stays damaged until that file is removed. */
  async #checkAside(name: string): Promise<void> {
    const { corrupt, aside } = this.#parts;
    if (!aside.has(name)) return;
    const location = join(corrupt, name);
    if (await isThere(location))
      throw new CorruptStateError({ location, reason: "it was set aside earlier" });
    // The file was removed: from here on the key counts as never written.
    aside.delete(name);
  }
}

/** Writes drafts and makes them durable: all, or it throws an error that says what is known. */
export async function putInPlace(records: FileRecords, drafts: readonly Draft[]): Promise<void> {
  if (drafts.length === 0) return;
  const settled = await records.write(drafts);
  const failure = settled.find((result) => result.status === "rejected");
  if (failure !== undefined) {
    records.forget(drafts.map((draft) => draft.key));
    const isUntouched = settled.every((result) => result.status === "rejected");
    throw isUntouched ? failure.reason : new CommitUnknownError({ cause: failure.reason });
  }
  const written = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  try {
    await records.sync();
    await mapBounded(written, FILES_AT_ONCE, (each) => records.settle(each));
  } catch (cause) {
    throw new CommitUnknownError({ cause });
  }
}

/** Removes rows of a history that are not kept; resolves to how many there were. */
export async function pruneRecord(
  records: FileRecords,
  key: string,
  keep: HistoryKeep,
): Promise<number> {
  const document = await records.read(key);
  if (document?.state === undefined || document.history === undefined) return 0;
  const pruned = await records.histories.prune(key, document.history, keep);
  if (pruned === undefined) return 0;
  const { log, count } = pruned;
  const text = toJsonText(document.state);
  await putInPlace(records, [{ ...document, text, history: { log, rows: [], keep: {} } }]);
  await records.histories.settle(key, log);
  return count;
}

function removeIfThere(path: string): Promise<true | undefined> {
  return unlessAbsent(rm(path).then(() => true));
}

function headOf(document: FileDocument): Head {
  const { version, expires, state, history } = document;
  return { version, expires, living: state !== undefined, history };
}
