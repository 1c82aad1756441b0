/**
 * `holdfast watch`: prints changes as the store reports them.
 *
 * Invariants
 *  W1  What is printed of a scope is its record when it is read, so its versions only grow, unless
 *      it is erased, and a version is printed once (as far as `SEEN_MAX` scopes back).
 *  W2  Reports that wait are kept by key: a slow reader costs at most one entry for each scope.
 */
import { once } from "node:events";
import type { Json } from "../../actors/protocol.ts";
import { encodedState } from "../runtime/persistence/record-envelope.ts";
import { decodeKey, encodeKey } from "../runtime/scope-key.ts";
import type { StateStore, StoredRecord } from "../stores/contract.ts";
import { scopePrefix } from "./ls.ts";
import type { Task } from "./options.ts";
import { type Printer, printResult, scopeWord } from "./printer.ts";

/** Records that are read at once. */
const READ_MAX = 100;
/** How many scopes are remembered with the version that was printed. */
const SEEN_MAX = 10_000;
/** A process without other work ends; a timer of this many milliseconds keeps it. */
const KEPT_MS = 1_000_000_000;

/** Prints changes until the process is interrupted, the reader is gone, or `limit` are printed. */
export async function watchStore(
  store: StateStore,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  if (!store.supports.watch || store.watch === undefined) {
    printer.warn(`the ${store.name} store reports no changes of other processes`);
    return false;
  }
  const over = new AbortController();
  const changes = new Changes(store, { task, printer, end: () => over.abort() });
  const stop = await store.watch(changes.reported, changes.missed);
  const kept = setInterval(() => undefined, KEPT_MS);
  const end = (): void => over.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  printer.out.once("error", end);
  printer.warn("watching; interrupt it to end");
  if (!over.signal.aborted) await once(over.signal, "abort");
  clearInterval(kept);
  process.off("SIGINT", end).off("SIGTERM", end);
  await stop();
  await changes.idle;
  return true;
}

interface Watching {
  readonly task: Task;
  readonly printer: Printer;
  readonly end: () => void;
}

/** The reports that wait, and what was printed. */
class Changes {
  /** Resolves when nothing is being printed. */
  idle: Promise<void> = Promise.resolve();
  readonly #store: StateStore;
  readonly #watching: Watching;
  readonly #isWatched: (key: string) => boolean;
  readonly #waiting = new Set<string>();
  readonly #seen = new Map<string, number>();
  #isReading = false;
  #printed = 0;

  constructor(store: StateStore, watching: Watching) {
    this.#store = store;
    this.#watching = watching;
    const { task } = watching;
    const [, type = "", id] = task.operands;
    const prefix = scopePrefix(task);
    const key = id === undefined ? undefined : encodeKey(task.namespace, type, id);
    this.#isWatched = (found) => (key === undefined ? found.startsWith(prefix) : found === key);
  }

  readonly reported = (key: string): void => {
    if (!this.#isWatched(key)) return;
    this.#waiting.add(key);
    if (this.#isReading) return;
    this.#isReading = true;
    this.idle = this.#drain();
  };

  readonly missed = (): void => {
    this.#print({ resync: true }, "some changes may be missing");
  };

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.size > 0) {
        const keys = [...this.#waiting].slice(0, READ_MAX);
        for (const key of keys) this.#waiting.delete(key);
        const records = await this.#store.load(keys);
        keys.forEach((key, at) => this.#found(key, records[at]));
      }
    } catch (error) {
      this.#watching.printer.warn(`a change could not be read: ${String(error)}`);
    } finally {
      this.#isReading = false;
    }
  }

  #found(key: string, record: StoredRecord | undefined): void {
    const parts = decodeKey(key);
    const version = record?.version ?? 0; // 0: it was erased.
    if (parts === undefined || this.#seen.get(key) === version) return;
    this.#remember(key, version);
    const { task } = this.#watching;
    const { type, id } = parts;
    const hasState = task.states || task.operands[2] !== undefined;
    const shown = shownOf(record?.state, hasState);
    this.#print(
      { type, id, version, ...shown.fields },
      `${scopeWord(type, id)}, version ${version}${shown.text}`,
    );
  }

  #remember(key: string, version: number): void {
    this.#seen.delete(key);
    this.#seen.set(key, version);
    if (this.#seen.size <= SEEN_MAX) return;
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined) this.#seen.delete(oldest);
  }

  #print(document: unknown, line: string): void {
    const { task, printer, end } = this.#watching;
    if (this.#printed >= task.limit) return;
    this.#printed += 1;
    printResult(task, printer, { document, lines: [line] });
    if (this.#printed >= task.limit) end();
  }
}

/** What is printed of a record beside its version. */
function shownOf(
  state: Json | undefined,
  hasState: boolean,
): { readonly fields: object; readonly text: string } {
  if (state === undefined) return { fields: { deleted: true }, text: ", deleted" };
  if (!hasState) return { fields: {}, text: "" };
  const json = encodedState(state);
  return { fields: { state: json }, text: ` ${JSON.stringify(json)}` };
}
