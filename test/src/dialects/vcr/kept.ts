/** Where the suites of the dialect keep their keys. */
import { join } from "node:path";
import { createVcr, type Vcr, type VcrOptions } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { testDirectory } from "../../../support/directory.ts";
import { findRedis, testClient } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

/** One place to keep keys. */
export interface Place {
  readonly name: string;
  /** A vcr whose keys nobody else has. */
  readonly open: (options?: Partial<VcrOptions>) => Promise<Opened>;
}

/** A vcr, and the end of it. */
export interface Opened {
  readonly vcr: Vcr;
  readonly close: () => Promise<void>;
}

function onStore(name: string, make: () => StateStore): Place {
  return {
    name,
    open: async (options) => {
      const runtime = createRuntime({ store: make() });
      return { vcr: createVcr({ runtime, ...options }), close: () => runtime.close() };
    },
  };
}

const isThere = redisUrl !== "";
let made = 0;

/** All places there are; call it once, in a suite. */
export function places(): Place[] {
  const dir = testDirectory("vcr");
  const path = (): string => join(dir, String((made += 1)));
  const embedded = [
    onStore("memory", () => memoryStore()),
    onStore("sqlite", () => sqliteStore({ path: `${path()}.db` })),
    onStore("file", () => fileStore({ dir: path() })),
  ];
  return isThere ? [...embedded, ...redisPlaces()] : embedded;
}

function redisPlaces(): Place[] {
  const on = (stringNumbers: boolean): Place => ({
    name: stringNumbers ? "redis, exact client" : "redis",
    open: async (options) => {
      const { client, close } = testClient(redisUrl, { stringNumbers });
      return { vcr: createVcr({ redis: client, ...options }), close };
    },
  });
  return [on(false), on(true)];
}
