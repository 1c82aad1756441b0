/** `holdfast doctor`: looks at a store, its server or file, and each of its records. */
import type { Logger } from "../../actors/protocol.ts";
import { isError } from "../../actors/realm.ts";
import { decodeRecord } from "../runtime/persistence/record-envelope.ts";
import type { StateStore } from "../stores/contract.ts";
import { diskFinding, type Finding } from "../stores/shared/finding.ts";
import { loadEach, type Read } from "./lift-records.ts";
import { openStore, splitName } from "./open-store.ts";
import { type Task, UsageError } from "./options.ts";
import { type Printer, printResult } from "./printer.ts";
import { counted, startProgress } from "./progress.ts";
import { countKeys, keyGroups } from "./transfer.ts";

/** The most damaged records that are named; all are counted. */
const DAMAGED_SHOWN_MAX = 20;

/** Prints what it found; false when something is damaged or cannot be reached. */
export async function examine(task: Task, printer: Printer): Promise<boolean> {
  const [address = ""] = task.operands;
  const checks: Finding[] = [];
  const warn = (text: string): void =>
    void checks.push({ name: "settings", level: "warning", text });
  const logger: Logger = { warn, error: warn };
  try {
    const store = await openStore(address, "must exist", { warn, logger });
    try {
      checks.push(
        ...(await placeFindings(address)),
        ...(await recordFindings(store, task, printer)),
      );
    } finally {
      await store.close();
    }
    if (checks.every(({ name }) => name !== "settings"))
      checks.push({ name: "settings", level: "ok", text: "acknowledged writes are kept" });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    checks.push({ name: "store", level: "error", text: isError(error) ? error.message : "failed" });
  }
  const ok = checks.every(({ level }) => level !== "error");
  printResult(task, printer, {
    document: { ok, checks },
    lines: checks.map(({ name, level, text }) => `${level.padEnd(7)}  ${name}: ${text}`),
  });
  return ok;
}

/** What the file or the server of a store shows. Its modules load their drivers. */
async function placeFindings(address: string): Promise<Finding[]> {
  const [scheme = ""] = address.split(":", 1);
  if (scheme === "file") return [await diskFinding(address.slice(5))];
  if (scheme === "sqlite")
    return (await import("../stores/sqlite/health.ts")).sqliteHealth(address.slice(7));
  const { url, name } = splitName(address);
  if (scheme.startsWith("redis"))
    return (await import("../stores/redis/health.ts")).redisHealth(url, name);
  if (scheme.startsWith("postgres"))
    return (await import("../stores/postgres/health.ts")).postgresHealth(url, name);
  return [];
}

/** Reads every record. */
async function recordFindings(
  store: StateStore,
  { batch }: Task,
  { terminal }: Printer,
): Promise<Finding[]> {
  const [damaged, selection] = [[] as Finding[], { prefix: "", batch }];
  const progress = await startProgress("records", terminal, () => countKeys(store, ""));
  let [count, bad] = [0, 0];
  try {
    for await (const keys of counted(keyGroups(store, selection), progress)) {
      count += keys.length;
      const records = await loadEach(store, keys);
      keys.forEach((key, at) => {
        const fault = faultOf(records[at]);
        if (fault === undefined) return;
        bad += 1;
        const text = `${JSON.stringify(key)}: ${fault}`;
        if (bad <= DAMAGED_SHOWN_MAX) damaged.push({ name: "record", level: "error", text });
      });
    }
  } finally {
    progress.end();
  }
  const text = bad === 0 ? `${count}, all can be read` : `${count}, ${bad} are damaged`;
  return [{ name: "records", level: bad === 0 ? "ok" : "error", text }, ...damaged];
}

/** Why a record cannot be read; `undefined` when it can. */
function faultOf(record: Read): string | undefined {
  if (isError(record)) return record.message;
  if (record?.state === undefined) return undefined;
  try {
    decodeRecord(record.state);
    return undefined;
  } catch (error) {
    return isError(error) ? error.message : "it is not a state";
  }
}
