/**
 * Prints one record or deletes it, by its key alone. It also works for a record whose state the
 * schema of its kind refuses, so that no program can open it.
 */
import type { Json } from "../../actors/protocol.ts";
import {
  isRefused,
  ownRetries,
  refusedAt,
  retry,
  type SaveStep,
} from "../../actors/scope/retry.ts";
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

/** For a record that programs write meanwhile. */
const DELETE_RETRIES = ownRetries({ maxRetries: 9, maxDelayMs: 100 });

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
  const what = scopeWord(type, id);
  let expectedVersion = 0;
  const attempt = async (): Promise<SaveStep> => {
    const record = await findRecord(named, printer);
    if (record === undefined) return "empty";
    expectedVersion = record.version;
    const version = expectedVersion + 1;
    const [result] = await store.commit([{ key, expectedVersion, version, state: undefined }]);
    return result?.ok === true
      ? "saved"
      : refusedAt(expectedVersion, result?.current?.version ?? 0);
  };
  const end = await retry({ ...DELETE_RETRIES, attempt });
  if (end === "saved")
    printResult(task, printer, {
      document: { type, id, version: expectedVersion + 1, deleted: true },
      lines: [`deleted ${what}, version ${expectedVersion}`],
    });
  else if (isRefused(end))
    printer.warn(`${what} of ${place} is written all the time; it was not deleted`);
  return end === "saved";
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
