/**
 * Texts in the files of one directory, each replaced whole: written beside, synced, renamed.
 *
 *  F1  A reader never sees a half-written file, and needs no lock.
 *  F2  A swap compares and writes under the locks of all its files, so that it replaces all or,
 *      unless the disk fails in between, none.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  openDirectory,
  readIfThere,
  replaceFile,
  systemCode,
  toDiskError,
} from "../../stores/file-disk.ts";
import { createKeyQueue, mapBounded } from "../../stores/key-queue.ts";
import { withFileLock } from "./file-lock.ts";
import { fileNameOf, nodeFileNameOf } from "./file-name.ts";
import type { StoredText, TextPlace, TextSwap } from "./text-vault.ts";

/** Files worked on at the same time by one call. */
const FILES_AT_ONCE = 16;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The files of one directory. */
export class FilePlace implements TextPlace {
  readonly place: string;
  readonly #dir: string;
  readonly #fsync: boolean;
  readonly #queue = createKeyQueue();

  constructor(dir: string, fsync: boolean) {
    this.#dir = resolve(dir);
    this.#fsync = fsync;
    this.place = `file ${this.#dir}`;
  }

  locate(name: string): string {
    return this.#path(fileNameOf(name));
  }

  read(names: readonly string[]): Promise<(StoredText | undefined)[]> {
    return this.#try(() => mapBounded(names, FILES_AT_ONCE, (name) => this.#read(name)));
  }

  swap(swaps: readonly TextSwap[]): Promise<(StoredText | undefined | null)[]> {
    const names = swaps.map(({ name }) => name);
    return this.#locked(names, async () => {
      const present = await mapBounded(names, FILES_AT_ONCE, (name) => this.#read(name));
      const isStale = swaps.some(({ expected }, index) => present[index]?.stamp !== expected);
      if (isStale) return swaps.map(() => null);
      for (const { name, next } of swaps) await this.#put(name, next);
      await this.#sync();
      return swaps.map(({ next }) => (next === undefined ? undefined : storedText(next)));
    });
  }

  write(texts: ReadonlyMap<string, string>): Promise<void> {
    return this.#each([...texts.keys()], (name) => this.#put(name, texts.get(name)));
  }

  remove(names: readonly string[]): Promise<void> {
    return this.#each(names, (name) => this.#put(name, undefined));
  }

  setAside(name: string, stamp: string): Promise<string> {
    const aside = this.#path(`.corrupt-${hashOf(name)}-${randomUUID()}`);
    return this.#locked([name], async () => {
      for (const path of this.#paths(name)) {
        const bytes = await readIfThere(path);
        if (bytes?.toString("latin1") === stamp) await rename(path, aside);
      }
      return aside;
    });
  }

  /** Does something with each file on its own. */
  async #each(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
    await mapBounded(names, FILES_AT_ONCE, (name) => this.#locked([name], () => work(name)));
    await this.#try(() => this.#sync());
  }

  /** Where a document may be, the strict name first. */
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

  async #put(name: string, text: string | undefined): Promise<void> {
    const [target, ...others] = this.#paths(name);
    if (target === undefined) return;
    if (text !== undefined) {
      const temporary = this.#path(`.tmp-${randomUUID()}`);
      await replaceFile(Buffer.from(text), { temporary, target, fsync: this.#fsync });
    }
    const gone = text === undefined ? [target, ...others] : others;
    for (const path of gone) await rm(path, { force: true });
  }

  /** Runs `work` with the locks of all files, taken in one order. */
  #locked<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const locks = names.map((name) => this.#path(`.lock-${hashOf(name)}`)).toSorted();
    const inside = locks.reduceRight<() => Promise<T>>(
      (inner, lock) => () => withFileLock(lock, inner),
      work,
    );
    return this.#try(() =>
      this.#queue.run(locks, async () => {
        try {
          return await inside();
        } catch (error) {
          if (systemCode(error) !== "ENOENT") throw error;
        }
        // The first use, or somebody removed the directory.
        await mkdir(this.#dir, { recursive: true, mode: 0o700 });
        return inside();
      }),
    );
  }

  /** Makes renames and removals durable. */
  async #sync(): Promise<void> {
    if (!this.#fsync) return;
    const directory = await openDirectory(this.#dir);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
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
