/**
 * Texts in the files of one directory. A file is replaced as a whole: written under another name,
 * synced, renamed.
 *
 *  F1  A reader never sees a partly written file, and needs no lock.
 *  F2  A swap compares and writes under the locks of all its files, so that it replaces all or
 *      none. When the disk fails between the writes, or another owner took a lock, the outcome is
 *      unknown.
 */
import { createHash, randomUUID } from "node:crypto";
import { copyFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CommitUnknownError } from "../../../actors/errors.ts";
import {
  makeDirectory,
  readIfThere,
  syncFolder,
  systemCode,
  toDiskError,
} from "../../stores/file/disk.ts";
import { createKeyQueue, mapBounded } from "../../stores/shared/key-queue.ts";
import { withFileLock, type FileLock } from "./file-lock.ts";
import { fileNameOf, nodeFileNameOf } from "./file-name.ts";
import type { StoredText, TextStorage, TextSwap } from "./text-vault.ts";

/** The maximum number of files that one call processes in parallel. */
const FILES_AT_ONCE = 16;

/** The locks of a swap, by their paths. */
type Locks = ReadonlyMap<string, FileLock>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The files of one directory. */
export class FileTexts implements TextStorage {
  readonly location: string;
  readonly #dir: string;
  readonly #fsync: boolean;
  readonly #queue = createKeyQueue();

  constructor(dir: string, fsync: boolean) {
    this.#dir = resolve(dir);
    this.#fsync = fsync;
    this.location = `file ${this.#dir}`;
  }

  locate(name: string): string {
    return this.#path(fileNameOf(name));
  }

  read(names: readonly string[]): Promise<(StoredText | undefined)[]> {
    return this.#try(() => mapBounded(names, FILES_AT_ONCE, (name) => this.#read(name)));
  }

  swap(swaps: readonly TextSwap[]): Promise<(StoredText | undefined | null)[]> {
    const names = swaps.map(({ name }) => name);
    return this.#locked(names, async (locks) => {
      const present = await mapBounded(names, FILES_AT_ONCE, (name) => this.#read(name));
      const isStale = swaps.some(({ expected }, index) => present[index]?.stamp !== expected);
      if (isStale) return swaps.map(() => null);
      await this.#putAll(swaps, locks);
      return swaps.map(({ next }) => (next === undefined ? undefined : storedText(next)));
    });
  }

  write(texts: ReadonlyMap<string, string>): Promise<void> {
    return this.#each([...texts.keys()], (name, lock) => this.#put(lock, name, texts.get(name)));
  }

  remove(names: readonly string[]): Promise<void> {
    return this.#each(names, (name, lock) => this.#put(lock, name, undefined));
  }

  setAside(name: string, stamp: string): Promise<string> {
    const aside = this.#path(`.corrupt-${hashOf(name)}-${randomUUID()}`);
    return this.#locked([name], async (locks) => {
      for (const path of this.#paths(name)) {
        const bytes = await readIfThere(path);
        if (bytes?.toString("latin1") !== stamp) continue;
        // Copied, not moved: the lock allows only the removal of the file.
        await copyFile(path, aside);
        await this.#lockOf(locks, name).remove(path);
      }
      return aside;
    });
  }

  /** Calls a function for each file. */
  async #each(
    names: readonly string[],
    work: (name: string, lock: FileLock) => Promise<void>,
  ): Promise<void> {
    await mapBounded(names, FILES_AT_ONCE, (name) =>
      this.#locked([name], (locks) => work(name, this.#lockOf(locks, name))),
    );
    await this.#try(() => this.#sync());
  }

  /** The possible paths of a document, the strict name first. */
  #paths(name: string): string[] {
    const node = nodeFileNameOf(name);
    const strict = fileNameOf(name);
    return (node === undefined ? [strict] : [strict, node]).map((each) => this.#path(each));
  }

  async #read(name: string): Promise<StoredText | undefined> {
    for (const path of this.#paths(name)) {
      const bytes = await readIfThere(path);
      if (bytes !== undefined) return { stamp: bytes.toString("latin1"), text: textOf(bytes) };
    }
    return undefined;
  }

  async #putAll(swaps: readonly TextSwap[], locks: Locks): Promise<void> {
    let count = 0;
    try {
      for (const { name, next } of swaps) {
        await this.#put(this.#lockOf(locks, name), name, next);
        count += 1;
      }
      await this.#sync();
    } catch (cause) {
      if (count === 0) throw cause;
      const scope = { type: "turn", id: swaps.map(({ name }) => name).join(", ") };
      throw new CommitUnknownError({ scope, cause });
    }
  }

  async #put(lock: FileLock, name: string, text: string | undefined): Promise<void> {
    const [target, ...others] = this.#paths(name);
    if (target === undefined) return;
    if (text !== undefined) await lock.put(Buffer.from(text), target, this.#fsync);
    const gone = text === undefined ? [target, ...others] : others;
    for (const path of gone) await lock.remove(path);
  }

  #lockPath(name: string): string {
    return this.#path(`.lock-${hashOf(name)}`);
  }

  #lockOf(locks: Locks, name: string): FileLock {
    const lock = locks.get(this.#lockPath(name));
    if (lock === undefined) throw new TypeError("a document is changed without its lock");
    return lock;
  }

  /** Runs `work` with the locks of all files, acquired in one order. */
  #locked<T>(names: readonly string[], work: (locks: Locks) => Promise<T>): Promise<T> {
    const paths = names.map((name) => this.#lockPath(name)).toSorted();
    const locks = new Map<string, FileLock>();
    const inside = paths.reduceRight<() => Promise<T>>(
      (inner, path) => () =>
        withFileLock(path, (lock) => {
          locks.set(path, lock);
          return inner();
        }),
      () => work(locks),
    );
    return this.#try(() =>
      this.#queue.run(paths, async () => {
        try {
          return await inside();
        } catch (error) {
          if (systemCode(error) !== "ENOENT") throw error;
        }
        // The directory does not exist yet, or was removed.
        await makeDirectory(this.#dir);
        return inside();
      }),
    );
  }

  /** Makes renames and removals durable. */
  async #sync(): Promise<void> {
    if (this.#fsync) await syncFolder(this.#dir);
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toDiskError(error, this.#dir);
    }
  }

  #path(fileName: string): string {
    return join(this.#dir, fileName);
  }
}

function hashOf(name: string): string {
  const bytes = Buffer.from(name, "utf16le");
  return createHash("sha256").update(bytes).digest("hex").slice(0, 32);
}

function storedText(text: string): StoredText {
  return { stamp: Buffer.from(text).toString("latin1"), text };
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
