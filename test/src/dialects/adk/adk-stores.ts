/** The stores every promise of the session services is tested on. */
import { join } from "node:path";
import { createRuntime, type Runtime } from "../../../../src/runtime/runtime.ts";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";

/** A way to make stores; the same id means the same data where it is durable. */
export interface AdkStore {
  readonly name: string;
  readonly isDurable: boolean;
  readonly runtime: (id: string) => Runtime;
}

/** Runtimes on each kind of store. */
export function adkStores(name: string): AdkStore[] {
  const dir = testDirectory(name);
  const make = (kind: string, open: (id: string) => StateStore): AdkStore => ({
    name: kind,
    isDurable: kind !== "memory",
    runtime: (id) => createRuntime({ store: open(id), cas: { baseDelayMs: 0 } }),
  });
  return [
    make("memory", () => memoryStore()),
    make("sqlite", (id) => sqliteStore({ path: join(dir, `${id}.db`), synchronous: "normal" })),
    make("file", (id) => fileStore({ dir: join(dir, id), fsync: false })),
  ];
}
