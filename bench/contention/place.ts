/** Where the records of a bench are kept: a fresh place for each run, in a directory that goes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StateStore } from "../../src/stores/contract.ts";
import type { Processes } from "../../src/stores/sqlite/build.ts";
import { redisPrefix } from "../servers/contract.ts";
import { isServerStore, serverOf } from "../servers/server.ts";
import { storeAt, type Site, type StoreName } from "./site.ts";

/** A fresh place for records. */
export interface Place {
  /** The library's store, opened when it is first asked for. */
  readonly store: StateStore;
  /** True when the records must be there after `store` was closed. */
  readonly durable: boolean;
  /** Opens the place again, as after a restart; the same store when it is not durable. */
  readonly reopen: () => StateStore;
  /** A path that is free; on a server the start of names that are free. */
  readonly path: string;
  readonly site: Site;
}

const root = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
process.once("exit", () => rmSync(root, { recursive: true, force: true }));
let made = 0;

/** Makes a place; nothing of another run is in it. `processes` is for a file of sqlite. */
export function createPlace(name: StoreName, processes: Processes = "several"): Place {
  const site = createSite(name, processes);
  let opened: StateStore | undefined;
  const place: Place = {
    get store() {
      return (opened ??= storeAt(site));
    },
    durable: name !== "memory",
    reopen: () => (name === "memory" ? place.store : storeAt(site)),
    path: site.path,
    site,
  };
  return place;
}

function createSite(store: StoreName, processes: Processes): Site {
  const number = (made += 1);
  if (!isServerStore(store))
    return { store, path: join(root, `${store}-${number}`), url: "", processes };
  const { url } = serverOf(store);
  const path = store === "redis" ? `${redisPrefix}${number}:` : `bench_${number}`;
  return { store, path, url, processes };
}

/** The same place with a store that answers `ms` later than it could, as over a network. */
export function awayBy(ms: number, place: Place): Place {
  const { store } = place;
  const later = async <T>(work: () => Promise<T>): Promise<T> => {
    await sleep(ms);
    return work();
  };
  const away: StateStore = {
    name: store.name,
    supports: { ...store.supports, exclusive: false },
    load: (keys) => later(() => store.load(keys)),
    commit: (writes, options) => later(() => store.commit(writes, options)),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
  return { ...place, store: away };
}
