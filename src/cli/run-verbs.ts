/** Runs of sequencers: `runs`, `resume` and `cancel`. */
import { isHoldfastError } from "../../actors/errors.ts";
import type { Logger } from "../../actors/protocol.ts";
import { isError, isMisuse } from "../../actors/realm.ts";
import { toJson } from "../patches/to-json.ts";
import type { Kinds } from "../runtime/kinds.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import type { AnySequencer } from "../runtime/sequencer/define.ts";
import type { RunOutcome } from "../runtime/sequencer/run-port.ts";
import type { RunsOptions } from "../runtime/sequencer/run-logs.ts";
import type { StateStore } from "../stores/contract.ts";
import { loadModule } from "./load-module.ts";
import { type Task, UsageError, wrong } from "./options.ts";
import { first, type Printer, printList, printResult, wordOf } from "./printer.ts";
import { parseJson } from "./scope-verbs.ts";

/** Prints the runs of a store. */
export async function listRuns(store: StateStore, task: Task, printer: Printer): Promise<boolean> {
  const { status, sequencer, limit } = task;
  // `runs` refuses an unknown status.
  const options = { status: status as RunsOptions["status"], sequencer };
  return withRuntime({ store, task, printer }, {}, async (runtime) => {
    try {
      await printList(task, printer, first(limit, runtime.runs(options)), {
        document: (run) => toJson(run),
        line: ({ runId, sequencer: name, status: now, step }) =>
          [runId, name, now, ...(step === undefined ? [] : [step])].map(wordOf).join("  "),
      });
    } catch (error) {
      if (isMisuse(error)) throw wrong(error.message, task.verb);
      throw error;
    }
    return true;
  });
}

/** Continues a run in this process until it ends or waits. */
export async function resumeRun(store: StateStore, task: Task, printer: Printer): Promise<boolean> {
  const [, runId = "", json] = task.operands;
  const data = json === undefined ? undefined : parseJson(json);
  const { kinds, exports } = await loadModule(task);
  return withRuntime({ store, task, printer }, kinds, async (runtime) => {
    const found = await findRun(runtime, runId, printer);
    if (found === undefined) return false;
    const sequencer = sequencersOf(exports).find(({ name }) => name === found.sequencer);
    if (sequencer === undefined)
      throw new UsageError(
        `${task.module} exports no sequencer ${JSON.stringify(found.sequencer)}`,
      );
    try {
      const { suspension } = task;
      const outcome: RunOutcome = await runtime.resume(sequencer, runId, data, { suspension });
      printResult(task, printer, {
        document: toJson({ runId, ...outcome }),
        lines: [`${wordOf(runId)}  ${outcome.status}`],
      });
      return true;
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      printer.warn(`the run failed: ${isError(error) ? error.message : String(error)}`);
      return false;
    }
  });
}

/** Cancels a run; false when there is none, or when it was completed before. */
export async function cancelRun(store: StateStore, task: Task, printer: Printer): Promise<boolean> {
  const [, runId = ""] = task.operands;
  const { kinds } = task.module === undefined ? { kinds: {} } : await loadModule(task);
  return withRuntime({ store, task, printer }, kinds, async (runtime) => {
    if ((await findRun(runtime, runId, printer)) === undefined) return false;
    const cancelled = await runtime.cancel(runId);
    const status = (await findRun(runtime, runId, printer))?.status;
    printResult(task, printer, {
      document: { runId, cancelled, status },
      lines: [`${wordOf(runId)}  ${cancelled ? "cancelled" : `was ${status} before`}`],
    });
    return status === "cancelled";
  });
}

interface Work {
  readonly store: StateStore;
  readonly task: Task;
  readonly printer: Printer;
}

async function withRuntime(
  { store, task, printer }: Work,
  kinds: Kinds,
  work: (runtime: Runtime) => Promise<boolean>,
): Promise<boolean> {
  const log = (message: string, fields?: Readonly<Record<string, unknown>>): void => {
    const runId = fields?.["runId"];
    printer.warn(typeof runId === "string" ? `${message}: ${wordOf(runId)}` : message);
  };
  const logger: Logger = { warn: log, error: log };
  const { namespace } = task;
  const runtime = createRuntime({ store, kinds, namespace, logger });
  try {
    return await work(runtime);
  } finally {
    await runtime.close();
  }
}

async function findRun(
  runtime: Runtime,
  runId: string,
  printer: Printer,
): Promise<{ readonly sequencer: string; readonly status: string } | undefined> {
  const [run] = await runtime.checkpoints(runId);
  if (run === undefined) printer.warn(`there is no run ${JSON.stringify(runId)}`);
  return run;
}

/** The sequencers that a module exports, by themselves, in a list or in a record. */
export function sequencersOf(exports: Readonly<Record<string, unknown>>): AnySequencer[] {
  const values = Object.values(exports).flatMap((value) =>
    isSequencer(value) ? [value] : Object.values(Object(value)),
  );
  return values.filter(isSequencer);
}

function isSequencer(value: unknown): value is AnySequencer {
  const { name, rules } = Object(value);
  return typeof name === "string" && Array.isArray(rules);
}
