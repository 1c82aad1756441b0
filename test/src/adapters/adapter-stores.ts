/** The stores on which the promises of adapters are tested: all of them. */
import { describe } from "vitest";
import { fileStore } from "../../../src/file.ts";
import { type Clock, createRuntime, type Runtime, type StateStore } from "../../../src/index.ts";
import { sqliteStore } from "../../../src/sqlite.ts";
import { openStore } from "../../faults/open-store.ts";
import { testDirectory } from "../../support/directory.ts";
import { onServer, type ServerPlaces } from "../../support/places.ts";

/** One kind of store. */
export interface AdapterStore {
  readonly name: string;
  /** True when a runtime finds what one before it has stored. */
  readonly isDurable: boolean;
  /** True when several runtimes may use one place at the same time. */
  readonly isShared: boolean;
  /** A place that no one has used. */
  readonly fresh: () => string;
  /** `clock`: that of the runtime; default the real one. */
  readonly open: (place: string, clock?: Clock) => Runtime;
}

/** Calls `body` for each kind of store, inside a `describe` of its name. */
export async function onEachStore(
  name: string,
  body: (store: AdapterStore) => void,
): Promise<void> {
  const dir = testDirectory(name);
  let count = 0;
  const local = (kind: string): ServerPlaces => ({
    kind,
    fresh() {
      count += 1;
      return `${dir}/${count}`;
    },
  });
  const run = ({ kind, fresh }: ServerPlaces): void => {
    const isDurable = kind !== "memory";
    const isShared = isDurable && kind !== "file";
    const open = (place: string, clock?: Clock): Runtime =>
      createRuntime({ clock, store: storeAt(kind, place) });
    describe(`on ${kind}`, () => body({ name: kind, isDurable, isShared, fresh, open }));
  };
  for (const kind of ["memory", "sqlite", "file"]) run(local(kind));
  for (const kind of ["redis", "postgres"] as const) await onServer(kind, run);
}

/** No test of an adapter cuts the power, so none waits for the disk. */
function storeAt(kind: string, place: string): StateStore {
  if (kind === "sqlite") return sqliteStore({ path: `${place}.db`, synchronous: "normal" });
  if (kind === "file") return fileStore({ dir: place, fsync: false });
  return openStore(kind, place);
}
