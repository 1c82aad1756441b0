/**
 * Reads and writes one scope through a runtime of its own: `set`, `history`, `at` and `rewind`. The
 * kind of a type that no module declares is made from the record: its version, its end and whether
 * it has a history stay as they are.
 */
import { text as textOf } from "node:stream/consumers";
import type { Json } from "../../actors/protocol.ts";
import { isMisuse } from "../../actors/realm.ts";
import { isPlainObject } from "../../actors/state/copy.ts";
import { toJson } from "../patches/to-json.ts";
import { defineKind, type KindOptions } from "../runtime/kinds.ts";
import { decodeState, encodeState } from "../runtime/persistence/record-codec.ts";
import { decodeRecord } from "../runtime/persistence/record-envelope.ts";
import { createRuntime } from "../runtime/runtime.ts";
import type { Scope } from "../runtime/scope.ts";
import { kindsOn, loadModule } from "./load-module.ts";
import { needWrite, UsageError, wrong } from "./options.ts";
import { type Printer, printList, printResult, scopeWord } from "./printer.ts";
import { findRecord, type LivingRecord, type NamedRecord } from "./record.ts";

type Fields = Record<string, unknown>;

/** Replaces the state of a scope; a scope that is not there is made. */
export async function setState(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { task, type, id, store, key } = named;
  const state = await givenState(task.operands[3] ?? "");
  const [record] = await store.load([key]);
  const living = record?.state === undefined ? undefined : { ...record, state: record.state };
  return withScope(named, living, async (scope) => {
    const changed = await scope.setState(state);
    const { version } = scope;
    const what = !changed ? "unchanged" : living === undefined ? "made" : "replaced";
    printResult(task, printer, {
      document: { type, id, version, changed },
      lines: [`${what} ${scopeWord(type, id)}, version ${version}`],
    });
    return true;
  });
}

/** Prints the changes of a scope. */
export async function printHistory(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { task } = named;
  const record = await findRecord(named, printer);
  if (record === undefined) return false;
  return withScope(named, record, async (scope) => {
    const { before, after, limit } = task;
    await printList(task, printer, scope.history({ before, after, limit }), {
      document: (change) => toJson(change),
      line: ({ version, timestamp, operation, patches }) =>
        `version ${version}  ${new Date(timestamp).toISOString()}  ${operation}, ` +
        `${patches.length} ${patches.length === 1 ? "patch" : "patches"}`,
    });
    return true;
  });
}

/** Prints a state of the past. */
export async function printPast(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { type, id } = named;
  return inPast(named, printer, async (scope, when) => {
    const { version, timestamp, state } = await scope.at(when);
    const document = { type, id, version, timestamp, state: encodeState(state) };
    printResult({ json: true }, printer, { document, lines: [] });
    return true;
  });
}

/** Makes a version with a state of the past. */
export async function rewindScope(named: NamedRecord, printer: Printer): Promise<boolean> {
  const { task, type, id } = named;
  needWrite(task, "writes");
  return inPast(named, printer, async (scope, when) => {
    const changed = await scope.rewind(when);
    const { version } = scope;
    printResult(task, printer, {
      document: { type, id, version, changed },
      lines: [`${changed ? "rewound" : "unchanged"} ${scopeWord(type, id)}, version ${version}`],
    });
    return true;
  });
}

type InPast = (scope: Scope<Fields>, when: number | Date) => Promise<boolean>;

async function inPast(named: NamedRecord, printer: Printer, work: InPast): Promise<boolean> {
  const { task } = named;
  const when = momentOf(task.operands[3] ?? "");
  if (when === 0 && task.module === undefined)
    throw wrong("version 0 is the initial state of the kind, which only --module knows", task.verb);
  const record = await findRecord(named, printer);
  if (record === undefined) return false;
  try {
    return await withScope(named, record, (scope) => work(scope, when));
  } catch (error) {
    if (!isMisuse(error)) throw error; // A version or a time that is not yet there.
    printer.warn(error.message);
    return false;
  }
}

/** A version, or a date. */
function momentOf(given: string): number | Date {
  if (/^\d+$/.test(given)) return Number(given);
  const date = new Date(given);
  if (!Number.isNaN(date.getTime())) return date;
  throw wrong(`${JSON.stringify(given)} is neither a version nor a date`);
}

async function withScope(
  named: NamedRecord,
  record: LivingRecord | undefined,
  work: (scope: Scope<Fields>) => Promise<boolean>,
): Promise<boolean> {
  const { store, task, type, id } = named;
  if (type === "sequencer")
    throw wrong("runs of sequencers are no scopes; use runs, resume and cancel", task.verb);
  const kind = (await declaredKind(named)) ?? (await kindOf(named, record));
  const { namespace } = task;
  const runtime = createRuntime({ store, namespace, kinds: { [type]: kind }, watch: false });
  try {
    return await work(await runtime.open<Fields>(type, id));
  } finally {
    await runtime.close();
  }
}

async function declaredKind({ task, type }: NamedRecord): Promise<KindOptions | undefined> {
  if (task.module === undefined) return undefined;
  const { kinds } = await loadModule(task);
  return kindsOn(kinds)[type];
}

/** The kind that leaves a record as it is but for its state. */
export async function kindOf(
  { store, key }: Pick<NamedRecord, "store" | "key">,
  record: LivingRecord | undefined,
): Promise<KindOptions> {
  if (record === undefined) return defineKind();
  const rows = store.supports.history === true ? await store.history?.(key, { limit: 1 }) : [];
  const until = record.leftMs === undefined ? undefined : Date.now() + record.leftMs;
  return defineKind({
    version: kindVersionOf(record.state),
    ...(rows !== undefined && rows.length > 0 && { history: {} }),
    ...(until !== undefined && { livesUntil: () => until }),
  });
}

function kindVersionOf(state: Json): number {
  try {
    return decodeRecord(state).kindVersion;
  } catch {
    return 1; // The record is damaged: the runtime refuses it with a reason.
  }
}

async function givenState(given: string): Promise<Fields> {
  const json = parseJson(given === "-" ? await textOf(process.stdin) : given);
  if (!isPlainObject(json)) throw new UsageError("the state must be a JSON object");
  try {
    return decodeState(json as Json) as Fields; // An object of JSON.parse, checked above.
  } catch (cause) {
    throw new UsageError("the state has a tag that cannot be read", { cause });
  }
}

/** The value of a JSON operand; the error does not repeat it. */
export function parseJson(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    throw new UsageError("the value is not JSON; quote it for the shell, as '{\"n\":1}'");
  }
}
