/** Moves and compares records: each verb does its work, reads the result back and reports it. */
import { open, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { StateStore } from "../stores/contract.ts";
import { readExport, toLines } from "./export-file.ts";
import { type Task, wrong } from "./options.ts";
import { type Printer, printResult } from "./printer.ts";
import { counted, type Progress, startProgress } from "./progress.ts";
import {
  compareRecords,
  compareStores,
  countKeys,
  exportRecords,
  importRecords,
  type CompareCounts,
  type RecordGroups,
  type TellDifference,
  type WriteCounts,
} from "./transfer.ts";

/** The most differing keys that are named; all are counted. */
const DIFFERENCES_SHOWN_MAX = 20;

/** Two stores: records go from the first to the second, or both are compared. */
export type Stores = readonly [StateStore, StateStore];

/** What a verb works on, and how it reports. */
interface Work {
  readonly task: Task;
  readonly printer: Printer;
}

/** Copies records that the second store lacks; false when one differs afterwards. */
export async function copyRecords(stores: Stores, work: Work): Promise<boolean> {
  if (work.task.checkOnly) return checkStores(stores, work, "ignore");
  const [from, to] = stores;
  const leftOut = new LeftOutHistories();
  const moved = exportRecords(from, { ...work.task, leftOut: leftOut.note });
  const written = await withProgress("copy", work, {
    count: () => countKeys(from, work.task.prefix),
    run: (progress) => importRecords(counted(moved, progress), to),
  });
  leftOut.end(work.printer);
  // Records that only the target has were there before, and are no difference.
  const selection = { ...work.task, strangers: "ignore" } as const;
  const differences = new DifferenceList(work.printer);
  const compared = await compareStores(stores, selection, differences.tell);
  differences.end();
  return report({ written, compared, differences }, work);
}

/** Compares all records; `strangers` are those that only the second store has. */
export async function checkStores(
  stores: Stores,
  { task, printer }: Work,
  strangers: "tell" | "ignore" = "tell",
): Promise<boolean> {
  const differences = new DifferenceList(printer);
  const { equal, different, gone } = await compareStores(
    stores,
    { ...task, strangers },
    differences.tell,
  );
  differences.end();
  printResult(task, printer, {
    document: { verified: equal, different, gone, differences: differences.shown },
    lines: [`verified ${equal}, different ${different}${goneText(gone)}`],
  });
  return different === 0;
}

/** Imports a file; false when a record differs afterwards. */
export async function importFile(path: string, store: StateStore, work: Work): Promise<boolean> {
  const records = (): RecordGroups => readExport(path, work.task.batch);
  // A damaged file is refused before any of its records is imported.
  const total = await countOf(records());
  const written = await withProgress("import", work, {
    count: () => Promise.resolve(total),
    run: (progress) => importRecords(counted(records(), progress), store),
  });
  const differences = new DifferenceList(work.printer);
  const compared = await compareRecords(records(), store, differences.tell);
  differences.end();
  return report({ written, compared, differences }, work);
}

/** Exports to a new file, or to standard output, which cannot be read back. */
export async function exportStore(
  store: StateStore,
  path: string | undefined,
  work: Work,
): Promise<boolean> {
  const { task, printer } = work;
  const leftOut = new LeftOutHistories();
  const records = exportRecords(store, { ...task, leftOut: leftOut.note });
  if (path !== undefined) return exportTo(path, store, { records, leftOut, ...work });
  await pipeline(Readable.from(toLines(records)), printer.out, { end: false });
  leftOut.end(printer);
  return true;
}

/** Refuses a document beside the lines of an export. */
export function checkExport({ json, operands }: Task): void {
  if (json && operands[1] === undefined)
    throw wrong("export --json needs a FILE: standard output has the records", "export");
}

interface Export extends Work {
  readonly records: RecordGroups;
  readonly leftOut: LeftOutHistories;
}

async function exportTo(path: string, store: StateStore, work: Export): Promise<boolean> {
  const { task, printer, records, leftOut } = work;
  // States may be private. An existing file is not overwritten.
  const file = await open(path, "wx", 0o600);
  try {
    await withProgress("export", work, {
      count: () => countKeys(store, task.prefix),
      run: (progress) => {
        const lines = Readable.from(toLines(counted(records, progress)));
        return pipeline(lines, file.createWriteStream({ flush: true }));
      },
    });
  } catch (error) {
    await file.close().catch(() => undefined); // The first error is the one to report.
    await rm(path, { force: true });
    throw error;
  }
  leftOut.end(printer);
  const differences = new DifferenceList(printer);
  const compared = await compareRecords(readExport(path, task.batch), store, differences.tell);
  differences.end();
  const { equal: verified, different, gone } = compared;
  const exported = verified + different + gone;
  printResult(task, printer, {
    document: { exported, verified, different, gone, differences: differences.shown },
    lines: [`exported ${exported}, verified ${verified}${goneText(gone)}`],
  });
  if (different > 0) warnOfWriters(different, printer);
  return different === 0;
}

interface Tracked<T> {
  readonly count: () => Promise<number>;
  readonly run: (progress: Progress) => Promise<T>;
}

async function withProgress<T>(
  label: string,
  { printer }: Work,
  { count, run }: Tracked<T>,
): Promise<T> {
  const progress = await startProgress(label, printer.terminal, count);
  try {
    return await run(progress);
  } finally {
    progress.end();
  }
}

async function countOf(groups: AsyncIterable<readonly unknown[]>): Promise<number> {
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
  readonly differences: DifferenceList;
}

function report({ written, compared, differences }: Outcome, { task, printer }: Work): boolean {
  const { moved, present, conflicts } = written;
  const { equal: verified, different, gone } = compared;
  const counts = { moved, present, conflicts, verified, different, gone };
  printResult(task, printer, {
    document: { ...counts, differences: differences.shown },
    lines: [
      `moved ${moved}, already there ${present}, conflicts ${conflicts}, ` +
        `verified ${verified}${goneText(gone)}`,
    ],
  });
  if (conflicts > 0)
    printer.warn(`${conflicts} keys have another record in the target; they were not changed`);
  // Conflicts are among the differences, unless another program wrote meanwhile.
  if (different > conflicts) warnOfWriters(different - conflicts, printer);
  return conflicts === 0 && different === 0;
}

function warnOfWriters(count: number, { warn }: Printer): void {
  warn(
    `${count} records changed while this ran; stop every program that writes to the stores ` +
      "and start again with an empty target",
  );
}

/** Counts the histories that end before the version of their record, which do not move. */
class LeftOutHistories {
  #count = 0;
  #first = "";

  readonly note = (key: string): void => {
    if (this.#count === 0) this.#first = key;
    this.#count += 1;
  };

  end({ warn }: Printer): void {
    if (this.#count === 0) return;
    const rest = this.#count === 1 ? "" : ` and of ${this.#count - 1} more`;
    warn(
      `the history of ${JSON.stringify(this.#first)}${rest} is left out: it ends before the ` +
        "version of its record, because a program without it wrote last",
    );
  }
}

/** Names the first differing keys. Keys may contain anything, so they are printed as JSON. */
class DifferenceList {
  /** Those that were named. */
  readonly shown: { readonly key: string; readonly difference: string }[] = [];
  readonly #warn: Printer["warn"];
  #count = 0;

  constructor({ warn }: Printer) {
    this.#warn = warn;
  }

  readonly tell: TellDifference = (key, difference) => {
    this.#count += 1;
    if (this.shown.length === DIFFERENCES_SHOWN_MAX) return;
    this.shown.push({ key, difference });
    this.#warn(`${JSON.stringify(key)}: ${difference}`);
  };

  end(): void {
    const more = this.#count - this.shown.length;
    if (more > 0) this.#warn(`and ${more} more`);
  }
}
