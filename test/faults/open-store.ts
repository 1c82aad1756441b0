/** Opens the stores that fault tests use, in the test's process and in its children. */
import { join } from "node:path";
import { fileStore } from "../../src/stores/file/store.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import { redisStore } from "../../src/stores/redis/store.ts";
import { sqliteStore } from "../../src/stores/sqlite/store.ts";
import type { HistoryWrite, StateStore } from "../../src/stores/contract.ts";

/** Longer than a process of several on a busy machine waits for its first connection. */
const SERVER_MS = 20_000;

/**
 * Opens the store of `kind` at `place`: a directory, or for a server its URL, `#` and the name under
 * which the test keeps its data there.
 */
export function openStore(kind: string, place: string): StateStore {
  const [url = "", name = ""] = place.split("#");
  if (kind === "memory") return memoryStore();
  if (kind === "redis")
    return redisStore({ url, keyPrefix: name, appendfsync: "no", timeoutMs: SERVER_MS });
  if (kind === "postgres")
    return postgresStore({ url, table: name, poolSize: 2, timeoutMs: SERVER_MS });
  if (kind === "file") return fileStore({ dir: join(place, "file") });
  return sqliteStore({ path: join(place, "store.db") });
}

/** Characters of the text in the state of a key; every fourth key is large. */
function textChars(key: number): number {
  return key % 4 === 3 ? 20_000 : 200;
}

/** The state of a key at a version, so that a reader can tell whether it is whole. */
export function stateAt(key: number, version: number): { n: number; text: string; sum: string } {
  return { n: version, text: "x".repeat(textChars(key)), sum: `${key}:${version}` };
}

/** Changes of which the history of a key is kept. */
export const HISTORY_KEPT = 20;

/** The history of a write that makes a version; `undefined` where none is kept. */
export function historyAt(store: StateStore, version: number): HistoryWrite | undefined {
  if (store.supports.history !== true) return undefined;
  const add = [{ version, at: version, entry: `change ${version}` }];
  return { add, keep: { versions: HISTORY_KEPT } };
}
