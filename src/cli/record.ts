/**
 * Prints one record or deletes it, by its key alone. It also works for a record whose state the
 * schema of its kind refuses, so that no program can open it.
 */
import type { Json } from "../../actors/protocol.ts";
import { encodedState } from "../runtime/persistence/record-envelope.ts";
import type { StateStore, StoredRecord } from "../stores/contract.ts";
import type { Task } from "./options.ts";
import { type Printer, printResult, scopeWord } from "./printer.ts";

/** One record of a store. */
export interface NamedRecord {
  readonly store: StateStore;
  readonly task: Task;
  readonly type: string;
  readonly id: string;
  readonly key: string;
  /** The store's address in messages. */
  readonly place: string;
}

/** Attempts to delete a record that programs write meanwhile. */
const ATTEMPTS = 10;

/** Prints a record, without its extras, as one line of JSON; false when there is none. */
export async function getRecord(named: NamedRecord, printer: Printer): Promise<boolean> {
  const record = await findRecord(named, printer);
  if (record === undefined) return false;
  const { type, id } = named;
  const { version, leftMs } = record;
  const document = { type, id, version, state: encodedState(record.state), leftMs };
  printResult({ json: true }, printer, { document, lines: [] });
  return true;
}

/** Deletes a record; false when there is none, or when each attempt met another write. */
export async function removeRecord(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { store, key, type, id, place, task } = named;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const record = await findRecord(named, printer);
    if (record === undefined) return false;
    const { version: expectedVersion } = record;
    const version = expectedVersion + 1;
    const [result] = await store.commit([{ key, expectedVersion, version, state: undefined }]);
    if (result?.ok !== true) continue;
    printResult(task, printer, {
      document: { type, id, version, deleted: true },
      lines: [`deleted ${scopeWord(type, id)}, version ${expectedVersion}`],
    });
    return true;
  }
  const what = scopeWord(type, id);
  printer.warn(`${what} of ${place} is written all the time; it was not deleted`);
  return false;
}

/** A record that is no tombstone. */
export interface LivingRecord extends StoredRecord {
  readonly state: Json;
}

/** The record; `undefined` when there is none, which is reported. */
export async function findRecord(
  { store, key, place }: NamedRecord,
  { warn }: Printer,
): Promise<LivingRecord | undefined> {
  const [record] = await store.load([key]);
  if (record?.state !== undefined) return { ...record, state: record.state };
  const deleted = record === undefined ? "" : `; it was deleted (version ${record.version})`;
  warn(`${place} has no record ${JSON.stringify(key)}${deleted}`);
  return undefined;
}
