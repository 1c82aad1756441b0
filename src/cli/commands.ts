/** The commands: each opens its stores, does its work, reads the result back and reports it. */
import { open, rm } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { StateStore } from "../stores/contract.ts";
import { encodeKey } from "../runtime/scope-key.ts";
import { readExport, toLines } from "./export-file.ts";
import { openStore, placeOf, type Presence } from "./open-store.ts";
import type { CommandName, Task } from "./options.ts";
import { getRecord, type NamedRecord, removeRecord } from "./record.ts";
import {
  compareRecords,
  compareStores,
  exportRecords,
  importRecords,
  type CompareCounts,
  type RecordGroups,
  type Selection,
  type TellDifference,
  type WriteCounts,
} from "./transfer.ts";

/** Where a command prints. */
export interface Printer {
  readonly out: Writable;
  readonly warn: (line: string) => void;
}

/** The most differing keys that are named; all are counted. */
const DIFFERENCES_SHOWN_MAX = 20;

type Run = (task: Task, printer: Printer) => Promise<boolean>;

const RUN: Readonly<Record<CommandName, Run>> = {
  copy: (task, printer) => {
    // A check creates nothing.
    const presence = task.checkOnly ? "must exist" : "may be made";
    return withStores(task, { presence, printer }, async (stores) => {
      const isDone = await copy(stores, task, printer);
      return !(await isNothingThere(stores[0], task, printer)) && isDone;
    });
  },
  check: (task, printer) =>
    withStores(task, { presence: "must exist", printer }, async (stores) => {
      const isDone = await check(stores, task, printer);
      return !(await isNothingThere(stores[0], task, printer)) && isDone;
    }),
  export: (task, printer) => {
    const [address = "", path] = task.operands;
    return withStore(address, { presence: "must exist", printer }, async (store) => {
      if (await isNothingThere(store, task, printer)) return false;
      return path === undefined
        ? print(store, task, printer)
        : exportTo(path, { store, task, printer });
    });
  },
  import: (task, printer) => {
    const [path = "", address = ""] = task.operands;
    return withStore(address, { presence: "may be made", printer }, (store) =>
      importFrom(path, { store, task, printer }),
    );
  },
  get: (task, printer) => withRecord(task, printer, getRecord),
  rm: (task, printer) => withRecord(task, printer, removeRecord),
};

/** Runs a command; false when the two sides differ. */
export function runTask(task: Task, printer: Printer): Promise<boolean> {
  return RUN[task.command](task, printer);
}

function withRecord(
  task: Task,
  printer: Printer,
  work: (named: NamedRecord, printer: Printer) => Promise<boolean>,
): Promise<boolean> {
  const [address = "", type = "", id = ""] = task.operands;
  const key = encodeKey(task.namespace, type, id);
  return withStore(address, { presence: "must exist", printer }, (store) =>
    work({ store, key, isWrite: task.write, place: placeOf(address) }, printer),
  );
}

interface Opening {
  readonly presence: Presence;
  readonly printer: Printer;
}

async function withStore<T>(
  address: string,
  { presence, printer }: Opening,
  work: (store: StateStore) => Promise<T>,
): Promise<T> {
  const store = await openStore(address, presence, printer.warn);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

type Stores = readonly [StateStore, StateStore];

function withStores<T>(
  { operands: [first = "", second = ""] }: Task,
  opening: Opening,
  work: (stores: Stores) => Promise<T>,
): Promise<T> {
  return withStore(first, { ...opening, presence: "must exist" }, (from) =>
    withStore(second, opening, (to) => work([from, to])),
  );
}

/** Warns of a first store without a matching key: a misspelt name causes no error by itself. */
async function isNothingThere(
  store: StateStore,
  { operands: [address = ""], prefix }: Task,
  { warn }: Printer,
): Promise<boolean> {
  const found = await store.list({ prefix, limit: 1 })[Symbol.asyncIterator]().next();
  if (found.done !== true) return false;
  const place = placeOf(address);
  warn(
    prefix === ""
      ? `${place} has no record; is it the right place, database and name after the #?`
      : `no key of ${place} starts with ${JSON.stringify(prefix)}; ` +
          'keys of the default namespace start with "holdfast/"',
  );
  return true;
}

async function copy(stores: Stores, task: Task, printer: Printer): Promise<boolean> {
  if (task.checkOnly) return check(stores, task, printer, "ignore");
  const [from, to] = stores;
  const written = await importRecords(exportRecords(from, task), to);
  const differences = differenceList(printer);
  // Records that only the target has were there before, and are no difference.
  const selection = { ...task, strangers: "ignore" } as const;
  const compared = await compareStores(stores, selection, differences.tell);
  differences.end();
  return report({ written, compared }, printer);
}

async function check(
  stores: Stores,
  task: Selection,
  printer: Printer,
  strangers: "tell" | "ignore" = "tell",
): Promise<boolean> {
  const differences = differenceList(printer);
  const compared = await compareStores(stores, { ...task, strangers }, differences.tell);
  differences.end();
  const gone = goneText(compared.gone);
  printer.out.write(`verified ${compared.equal}, different ${compared.different}${gone}\n`);
  return compared.different === 0;
}

interface Work {
  readonly store: StateStore;
  readonly task: Task;
  readonly printer: Printer;
}

async function importFrom(path: string, { store, task, printer }: Work): Promise<boolean> {
  const records = (): RecordGroups => readExport(path, task.batch);
  // A damaged file is refused before any of its records is imported.
  await countOf(records());
  const written = await importRecords(records(), store);
  const differences = differenceList(printer);
  const compared = await compareRecords(records(), store, differences.tell);
  differences.end();
  return report({ written, compared }, printer);
}

async function exportTo(path: string, { store, task, printer }: Work): Promise<boolean> {
  // States may be private. An existing file is not overwritten.
  const file = await open(path, "wx", 0o600);
  try {
    const lines = Readable.from(toLines(exportRecords(store, task)));
    await pipeline(lines, file.createWriteStream({ flush: true }));
  } catch (error) {
    await file.close().catch(() => undefined); // The first error is the one to report.
    await rm(path, { force: true });
    throw error;
  }
  const differences = differenceList(printer);
  const compared = await compareRecords(readExport(path, task.batch), store, differences.tell);
  differences.end();
  const count = compared.equal + compared.different + compared.gone;
  const gone = goneText(compared.gone);
  printer.out.write(`exported ${count}, verified ${compared.equal}${gone}\n`);
  if (compared.different > 0) warnOfWriters(compared.different, printer);
  return compared.different === 0;
}

/** Exports to standard output, which cannot be read back. */
async function print(store: StateStore, task: Task, { out }: Printer): Promise<boolean> {
  await pipeline(Readable.from(toLines(exportRecords(store, task))), out, { end: false });
  return true;
}

async function countOf(groups: RecordGroups): Promise<number> {
  let count = 0;
  for await (const group of groups) count += group.length;
  return count;
}

/** The count of records that may have expired; empty when there are none. */
function goneText(count: number): string {
  return count === 0 ? "" : `, expired or deleted there ${count}`;
}

interface Outcome {
  readonly written: WriteCounts;
  readonly compared: CompareCounts;
}

function report({ written, compared }: Outcome, printer: Printer): boolean {
  const { moved, present, conflicts } = written;
  printer.out.write(
    `moved ${moved}, already there ${present}, conflicts ${conflicts}, ` +
      `verified ${compared.equal}${goneText(compared.gone)}\n`,
  );
  if (conflicts > 0)
    printer.warn(`${conflicts} keys have another record in the target; they were not changed`);
  // Conflicts are among the differences, unless another program wrote meanwhile.
  if (compared.different > conflicts) warnOfWriters(compared.different - conflicts, printer);
  return conflicts === 0 && compared.different === 0;
}

function warnOfWriters(count: number, { warn }: Printer): void {
  warn(
    `${count} records changed while this ran; stop every program that writes to the stores ` +
      "and start again with an empty target",
  );
}

/** Names the first differing keys. Keys may contain anything, so they are printed as JSON. */
function differenceList({ warn }: Printer): {
  readonly tell: TellDifference;
  readonly end: () => void;
} {
  let count = 0;
  return {
    tell: (key, difference) => {
      count += 1;
      if (count <= DIFFERENCES_SHOWN_MAX) warn(`${JSON.stringify(key)}: ${difference}`);
    },
    end: () => {
      if (count > DIFFERENCES_SHOWN_MAX) warn(`and ${count - DIFFERENCES_SHOWN_MAX} more`);
    },
  };
}
