/** `holdfast prune`: removes the oldest changes of the histories of a store. */
import { decodeKey, encodeKey } from "../runtime/scope-key.ts";
import type { StateStore } from "../stores/contract.ts";
import { scopePrefix } from "./ls.ts";
import { placeOf } from "./open-store.ts";
import { type Task, UsageError, wrong } from "./options.ts";
import { type Printer, printResult, scopeWord } from "./printer.ts";
import { startProgress } from "./progress.ts";
import { findRecord } from "./record.ts";
import { countKeys } from "./transfer.ts";

/** How many changes stay; throws `UsageError` without `--keep`, which stands for `--write`. */
export function pruneLimit(task: Task): number {
  if (task.keep === undefined) throw wrong("prune needs --keep N", task.verb);
  if (task.operands[2] !== undefined && task.prefix !== "")
    throw wrong("an ID and --prefix exclude each other", task.verb);
  return task.keep;
}

/** Prunes one history, or those of a type or a namespace; false when a named scope is missing. */
export async function pruneHistories(
  store: StateStore,
  keep: number,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  const { operands, namespace } = task;
  const [address = "", type = "", id] = operands;
  if (store.pruneHistory === undefined)
    throw new UsageError(`${placeOf(address)} keeps no histories`);
  const prune = (key: string): Promise<number> =>
    store.pruneHistory?.(key, { versions: keep }) ?? Promise.resolve(0);
  if (id !== undefined) {
    const named = { store, task, type, id, key: encodeKey(namespace, type, id) };
    const found = await findRecord({ ...named, place: placeOf(address) }, printer);
    if (found === undefined) return false;
    const removed = await prune(named.key);
    printResult(task, printer, {
      document: { type, id, version: found.version, removed },
      lines: [`removed ${changes(removed)} of ${scopeWord(type, id)}`],
    });
    return true;
  }
  const { removed, scopes } = await pruneAll(store, prune, scopePrefix(task), printer);
  printResult(task, printer, {
    document: { scopes, removed },
    lines: [`removed ${changes(removed)} of ${scopes} ${scopes === 1 ? "scope" : "scopes"}`],
  });
  return true;
}

async function pruneAll(
  store: StateStore,
  prune: (key: string) => Promise<number>,
  prefix: string,
  { terminal }: Printer,
): Promise<{ readonly removed: number; readonly scopes: number }> {
  const progress = await startProgress("prune", terminal, () => countKeys(store, prefix));
  let [removed, scopes] = [0, 0];
  try {
    for await (const key of store.list({ prefix })) {
      progress.done(1);
      if (decodeKey(key) === undefined) continue;
      const count = await prune(key);
      removed += count;
      scopes += count > 0 ? 1 : 0;
    }
  } finally {
    progress.end();
  }
  return { removed, scopes };
}

function changes(count: number): string {
  return `${count} ${count === 1 ? "change" : "changes"}`;
}
