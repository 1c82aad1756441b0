/** The file operations of the file store, each safe against a crash at any moment. */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isError, isMisuse } from "../../../actors/realm.ts";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The `code` of a system error. */
export function systemCode(error: unknown): string | undefined {
  if (!isError(error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * The library's error for an error of the file system; its own errors and misuse pass unchanged.
 */
export function toDiskError(error: unknown, dir: string): unknown {
  if (error instanceof HoldfastError || isMisuse(error)) return error;
  const reason = isError(error) ? error.message : "unknown failure";
  return new StoreUnavailableError(`the store directory ${dir} cannot be used: ${reason}`, {
    cause: error,
  });
}

/** The name of a key's file: always 64 hex digits, whatever the key contains. */
export function fileNameOf(key: string): string {
  // UTF-16, because in UTF-8 all lone surrogates are the same.
  return createHash("sha256").update(Buffer.from(key, "utf16le")).digest("hex");
}

/** Creates a directory that only its owner can enter. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
}

/** The bytes of a file; `undefined` if there is none. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A directory whose entries can be synced to disk. */
export interface SyncedDirectory {
  readonly path: string;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a directory for `sync`. */
export async function openDirectory(path: string): Promise<SyncedDirectory> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
  } catch (error) {
    // Windows cannot open a directory, and makes renames durable by itself.
    if (process.platform !== "win32") throw error;
  }
  return {
    path,
    sync: async () => handle?.sync(),
    close: async () => handle?.close(),
  };
}

/** Writes a whole new file at `path`, and syncs its bytes when `fsync`. */
export async function writeWhole(path: string, bytes: Buffer, fsync: boolean): Promise<void> {
  const handle = await open(path, "wx", FILE_MODE);
  try {
    await handle.writeFile(bytes);
    if (fsync) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes a folder and its content, also while another process makes files in it. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 });
}

/** The path at which a document is written before it is renamed. */
export interface ReplaceTarget {
  readonly temporary: string;
  readonly target: string;
  readonly fsync: boolean;
}

/**
 * Writes `bytes` at `target` whole; a failure leaves the old file. The caller syncs the directory.
 */
export async function replaceFile(bytes: Buffer, where: ReplaceTarget): Promise<void> {
  try {
    await writeWhole(where.temporary, bytes, where.fsync);
    await rename(where.temporary, where.target);
  } catch (error) {
    await rm(where.temporary, { force: true });
    throw error;
  }
}

/** The folders of a store directory. */
export interface StoreFolders {
  readonly records: string;
  readonly temporary: string;
  readonly corrupt: string;
}

/** Makes the folders of a store; `temporary`, for files that are being written, exists already. */
export async function prepareFolders(dir: string, temporary: string): Promise<StoreFolders> {
  const folders = { records: join(dir, "records"), corrupt: join(dir, "corrupt") };
  for (const folder of Object.values(folders)) await makeDirectory(folder);
  return { ...folders, temporary };
}

/** `undefined` when the file does not exist. */
export async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the renames in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openDirectory(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
