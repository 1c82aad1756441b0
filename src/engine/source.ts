/**
 * Reads the input: a file, standard input, or the sample that is part of the engine.
 */
import { fstatSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { UsageError } from "./options.ts";

/** The bytes of an input and its name. */
export interface Source {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The limit of an input, which is kept in memory for the check at the end; bytes. */
const INPUT_BYTES_MAX = 256 * 1024 * 1024;
/**
 * How long an open pipe may be silent before the sample is used instead; milliseconds. Programs
 * often start others with a pipe that is never written to.
 */
const STDIN_PATIENCE_MS = 2_000;

const SAMPLE = new URL("sample.jsonl", import.meta.url);

/** Reads the chosen input. Throws `UsageError` when it cannot be read. */
export async function readSource(
  input: string | undefined,
  warn: (text: string) => void,
): Promise<Source> {
  if (input === "-") return { name: "standard input", bytes: await collect(process.stdin, "-") };
  if (input !== undefined) return { name: input, bytes: await readWhole(input) };
  const piped = await readPipe(warn);
  if (piped !== undefined && piped.length > 0) return { name: "standard input", bytes: piped };
  return { name: "the sample", bytes: await readWhole(fileURLToPath(SAMPLE)) };
}

/** The data of standard input; `undefined` when it is no input. */
async function readPipe(warn: (text: string) => void): Promise<Buffer | undefined> {
  if (!isPipeOrFile()) return undefined;
  const { stdin } = process;
  let gaveUp = false;
  const patience = setTimeout(() => {
    gaveUp = true;
    stdin.destroy();
  }, STDIN_PATIENCE_MS);
  stdin.once("readable", () => clearTimeout(patience));
  try {
    return await collect(stdin, "standard input");
  } catch (error) {
    if (!gaveUp) throw error;
    warn(`nothing on standard input for ${STDIN_PATIENCE_MS} ms; "--input -" would wait for it`);
    return undefined;
  } finally {
    clearTimeout(patience);
  }
}

/** A terminal and `/dev/null` are devices, which are no input. */
function isPipeOrFile(): boolean {
  try {
    const stats = fstatSync(0);
    return stats.isFIFO() || stats.isFile() || stats.isSocket();
  } catch {
    return false; // Standard input is closed.
  }
}

async function readWhole(path: string): Promise<Buffer> {
  try {
    await using file = await open(path);
    return await collect(file.createReadStream(), path);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`cannot read the input: ${reason}`, { cause });
  }
}

async function collect(stream: Readable, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > INPUT_BYTES_MAX)
      throw new UsageError(`${name} is over ${INPUT_BYTES_MAX} bytes; give it in parts`);
  }
  return Buffer.concat(chunks);
}
