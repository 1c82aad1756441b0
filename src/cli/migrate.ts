/** `holdfast migrate`: lifts the records of a store to the versions of the kinds of a module. */
import { newCounters } from "../../actors/scope/counters.ts";
import { type KindContext, type Kinds, resolveKind, type ResolvedKind } from "../runtime/kinds.ts";
import { keyPrefix } from "../runtime/scope-key.ts";
import type { StateStore } from "../stores/contract.ts";
import { type LiftCounts, type LiftFailure, liftRecords } from "./lift-records.ts";
import { kindsOn } from "./load-module.ts";
import { type Task, UsageError } from "./options.ts";
import { type Printer, printResult, scopeWord } from "./printer.ts";
import { startProgress } from "./progress.ts";
import { countKeys } from "./transfer.ts";

/** The most failures that are named; all are counted. */
const FAILURES_SHOWN_MAX = 20;

/** The result for one kind. */
interface KindReport extends LiftCounts {
  readonly type: string;
  readonly version: number;
}

/** Lifts all records; false when one failed, or, with `check`, when one is left. */
export async function migrate(
  store: StateStore,
  kinds: Kinds,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  const isWriting = !task.dryRun && !task.check;
  const failures: LiftFailure[] = [];
  const reports: KindReport[] = [];
  const found = versioned(store, kinds);
  if (Object.keys(kinds).length === 0)
    throw new UsageError("the module exports no kinds: name its export `kinds`, or `default`");
  if (found.length === 0) printer.warn("the module has no kind with a version over 1");
  for (const kind of found) {
    const { type, versions } = kind;
    const { namespace, batch } = task;
    const progress = await startProgress(type, printer.terminal, () =>
      countKeys(store, keyPrefix(namespace, type)),
    );
    const failed = (failure: LiftFailure): void => {
      if (failures.length < FAILURES_SHOWN_MAX) failures.push(failure);
    };
    try {
      const work = { store, namespace, batch, isWriting, failed, done: progress.done };
      const counts = await liftRecords(kind, work);
      reports.push({ type, version: versions.version, ...counts });
    } finally {
      progress.end();
    }
  }
  report({ reports, failures, isWriting }, task, printer);
  return sum(reports, "failed") + (task.check ? sum(reports, "lifted") : 0) === 0;
}

/** The kinds whose records may have an older version. Runs keep their own versions. */
function versioned(store: StateStore, kinds: Kinds): ResolvedKind[] {
  const context: KindContext = { store, counters: newCounters() };
  return Object.entries(kindsOn(kinds))
    .map(([type, kind]) => resolveKind(type, kind, context))
    .filter(
      ({ type, versions, durability }) =>
        versions.version > 1 && type !== "sequencer" && durability !== "volatile",
    );
}

function sum(reports: readonly KindReport[], field: keyof LiftCounts): number {
  return reports.reduce((total, each) => total + each[field], 0);
}

interface Result {
  readonly reports: readonly KindReport[];
  readonly failures: readonly LiftFailure[];
  readonly isWriting: boolean;
}

function report({ reports, failures, isWriting }: Result, task: Task, printer: Printer): void {
  for (const { type, id, version, reason } of failures)
    printer.warn(`${scopeWord(type, id)}, version ${version}: ${reason}`);
  const more = sum(reports, "failed") - failures.length;
  if (more > 0) printer.warn(`and ${more} more failed`);
  const lifted = isWriting ? "lifted" : "to lift";
  printResult(task, printer, {
    document: { written: isWriting, kinds: reports, failures },
    lines: reports.map(
      (each) =>
        `${each.type} (version ${each.version}): read ${each.read}, ${lifted} ${each.lifted}, ` +
        `current ${each.current}, newer ${each.newer}, failed ${each.failed}`,
    ),
  });
}
