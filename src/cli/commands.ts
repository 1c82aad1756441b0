/** The verbs: each opens its stores, does its work and closes them. */
import type { StateStore } from "../stores/contract.ts";
import { encodeKey } from "../runtime/scope-key.ts";
import { examine } from "./doctor.ts";
import { inspectStore } from "./inspect.ts";
import { listScopes } from "./ls.ts";
import { loadModule } from "./load-module.ts";
import { migrate } from "./migrate.ts";
import {
  checkExport,
  checkStores,
  copyRecords,
  exportStore,
  importFile,
  type Stores,
} from "./moving.ts";
import { openStore, placeOf, type Presence } from "./open-store.ts";
import { needWrite, type Task } from "./options.ts";
import type { Printer } from "./printer.ts";
import { pruneHistories, pruneLimit } from "./prune.ts";
import { getRecord, type NamedRecord, removeRecord } from "./record.ts";
import { cancelRun, listRuns, resumeRun } from "./run-verbs.ts";
import { printHistory, printPast, rewindScope, setState } from "./scope-verbs.ts";
import { listTimers } from "./timers.ts";
import type { VerbName } from "./verbs.ts";
import { watchStore } from "./watch.ts";

type Run = (task: Task, printer: Printer) => Promise<boolean>;

const RUN: Readonly<Record<VerbName, Run>> = {
  ls: onStoreOf(listScopes),
  get: (task, printer) => withRecord(task, printer, getRecord),
  rm: (task, printer) => {
    needWrite(task, "deletes");
    return withRecord(task, printer, removeRecord);
  },
  set: (task, printer) => {
    needWrite(task, "writes");
    return withRecord(task, printer, setState);
  },
  watch: onStoreOf(watchStore),
  history: (task, printer) => withRecord(task, printer, printHistory),
  at: (task, printer) => withRecord(task, printer, printPast),
  rewind: (task, printer) => withRecord(task, printer, rewindScope),
  runs: onStoreOf(listRuns),
  resume: onStoreOf(resumeRun),
  cancel: onStoreOf(cancelRun),
  timers: onStoreOf(listTimers),
  migrate: async (task, printer) => {
    const { kinds } = await loadModule(task);
    return onStore(task, printer, (store) => migrate(store, kinds, task, printer));
  },
  prune: (task, printer) => {
    const keep = pruneLimit(task);
    return onStore(task, printer, (store) => pruneHistories(store, keep, task, printer));
  },
  doctor: examine,
  inspect: onStoreOf(inspectStore),
  copy: (task, printer) => {
    // A check creates nothing.
    const presence = task.checkOnly ? "must exist" : "may be made";
    return withStores(task, { presence, printer }, async (stores) => {
      const isDone = await copyRecords(stores, { task, printer });
      return !(await isNothingThere(stores[0], task, printer)) && isDone;
    });
  },
  check: (task, printer) =>
    withStores(task, { presence: "must exist", printer }, async (stores) => {
      const isDone = await checkStores(stores, { task, printer });
      return !(await isNothingThere(stores[0], task, printer)) && isDone;
    }),
  export: (task, printer) => {
    checkExport(task);
    return onStore(task, printer, async (store) => {
      if (await isNothingThere(store, task, printer)) return false;
      return exportStore(store, task.operands[1], { task, printer });
    });
  },
  import: (task, printer) => {
    const [path = "", address = ""] = task.operands;
    return withStore(address, { presence: "may be made", printer }, (store) =>
      importFile(path, store, { task, printer }),
    );
  },
};

/** Runs a verb; false when what it looked for is missing, or when two sides differ. */
export function runTask(task: Task, printer: Printer): Promise<boolean> {
  return RUN[task.verb](task, printer);
}

function withRecord(
  task: Task,
  printer: Printer,
  work: (named: NamedRecord, printer: Printer) => Promise<boolean>,
): Promise<boolean> {
  const [address = "", type = "", id = ""] = task.operands;
  const key = encodeKey(task.namespace, type, id);
  return onStore(task, printer, (store) =>
    work({ store, task, type, id, key, place: placeOf(address) }, printer),
  );
}

/** Runs `work` on the store that is the first operand; it must exist. */
function onStore(
  { operands: [address = ""] }: Task,
  printer: Printer,
  work: (store: StateStore) => Promise<boolean>,
): Promise<boolean> {
  return withStore(address, { presence: "must exist", printer }, work);
}

function onStoreOf(
  work: (store: StateStore, task: Task, printer: Printer) => Promise<boolean>,
): Run {
  return (task, printer) => onStore(task, printer, (store) => work(store, task, printer));
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
  const store = await openStore(address, presence, printer);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

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
