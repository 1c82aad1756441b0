/** The file operations of the file store, each safe against a crash at any moment. */
import { createHash } from "node:crypto";
import { access, type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
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
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
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

/** The bytes of a file; `undefined` if there is none. */
export function readIfThere(path: string): Promise<Buffer | undefined> {
  return unlessAbsent(readFile(path));
}

/** Runs `work` with a file, and closes it; `undefined` when the file does not exist. */
export async function withFile<T>(
  path: string,
  flags: "r" | "r+",
  work: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> {
  const file = await unlessAbsent(open(path, flags));
  try {
    return file && (await work(file));
  } finally {
    await file?.close();
  }
}

/** True when there is a file or folder that can be reached. */
export function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** A directory whose entries can be synced to disk. */
export interface SyncedDirectory {
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

/** Makes the renames in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openDirectory(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
