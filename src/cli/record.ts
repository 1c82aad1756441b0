/**
 * Prints one record or deletes it, by its key alone. It also works for a record whose state the
 * schema of its kind refuses, so that no program can open it.
 */
import type { Writable } from "node:stream";
import { encodedState } from "../runtime/persistence/record-envelope.ts";
import type { StateStore, StoredRecord } from "../stores/contract.ts";

/** One key of a store. */
export interface NamedRecord {
  readonly store: StateStore;
  readonly key: string;
  /** Delete it; else only print what would be deleted. */
  readonly isWrite: boolean;
  /** The store's address in messages. */
  readonly place: string;
}

interface Printer {
  readonly out: Writable;
  readonly warn: (line: string) => void;
}

/** Attempts to delete a record that programs write meanwhile. */
const ATTEMPTS = 10;

/** Prints a record, without its extras, as one line of JSON; false when there is none. */
export async function getRecord(named: NamedRecord, printer: Printer): Promise<boolean> {
  const record = await find(named, printer);
  if (record === undefined) return false;
  const { version, leftMs } = record;
  const state = record.state === undefined ? undefined : encodedState(record.state);
  printer.out.write(`${JSON.stringify({ key: named.key, version, state, leftMs })}\n`);
  return true;
}

/** Deletes a record; false when there is none, or when each attempt met another write. */
export async function removeRecord(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { store, key, isWrite, place } = named;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const record = await find(named, printer);
    if (record === undefined) return false;
    const { version: expectedVersion } = record;
    const what = `${JSON.stringify(key)}, version ${expectedVersion}`;
    if (!isWrite) {
      printer.out.write(`would delete ${what}; give --write to do it\n`);
      return true;
    }
    const write = { key, expectedVersion, version: expectedVersion + 1, state: undefined };
    const [result] = await store.commit([write]);
    if (result?.ok === true) {
      printer.out.write(`deleted ${what}\n`);
      return true;
    }
  }
  printer.warn(`${JSON.stringify(key)} of ${place} is written all the time; it was not deleted`);
  return false;
}

async function find(
  { store, key, place }: NamedRecord,
  { warn }: Printer,
): Promise<StoredRecord | undefined> {
  const [record] = await store.load([key]);
  if (record?.state !== undefined) return record;
  const deleted = record === undefined ? "" : `; it was deleted (version ${record.version})`;
  warn(`${place} has no record ${JSON.stringify(key)}${deleted}`);
  return undefined;
}
