/**
 * The library under measure: the folder that `buildLibrary` compiled, which the environment names,
 * else the sources through tsx, which names every function at run time and so is slower.
 */
import { pathToFileURL } from "node:url";
import type * as FileDoor from "../src/file.ts";
import type * as Entry from "../src/index.ts";
import type * as PostgresDoor from "../src/postgres.ts";
import type * as RedisDoor from "../src/redis.ts";
import type * as SqliteDoor from "../src/sqlite.ts";
import type * as SqliteBuild from "../src/stores/sqlite/build.ts";
import type * as Driver from "../src/stores/sqlite/driver.ts";
import { BUILD_VARIABLE } from "./build-variable.ts";

const build = process.env[BUILD_VARIABLE];

/** True when the compiled library is measured. */
export const isBuilt: boolean = build !== undefined;

const root = build === undefined ? new URL("../", import.meta.url) : pathToFileURL(`${build}/`);

/** Where the library is loaded from. */
export const subjectUrl: string = urlOf("index");

/** A line for the report. */
export const subjectLine: string = isBuilt
  ? "measured: the compiled library"
  : "measured: the sources through tsx";

const entry: typeof Entry = await import(subjectUrl);
const sqliteDoor: typeof SqliteDoor = await import(urlOf("sqlite"));
const fileDoor: typeof FileDoor = await import(urlOf("file"));
const redisDoor: typeof RedisDoor = await import(urlOf("redis"));
const postgresDoor: typeof PostgresDoor = await import(urlOf("postgres"));
const driver: typeof Driver = await import(urlOf("stores/sqlite/driver"));
const sqliteBuild: typeof SqliteBuild = await import(urlOf("stores/sqlite/build"));

/** `createScope` of the library under measure; so for the others below. */
export const createScope: typeof Entry.createScope = entry.createScope;
export const createRuntime: typeof Entry.createRuntime = entry.createRuntime;
export const defineKind: typeof Entry.defineKind = entry.defineKind;
export const defineSequencer: typeof Entry.defineSequencer = entry.defineSequencer;
export const step: typeof Entry.step = entry.step;
export const memoryStore: typeof Entry.memoryStore = entry.memoryStore;
export const sqliteStore: typeof SqliteDoor.sqliteStore = sqliteDoor.sqliteStore;
export const fileStore: typeof FileDoor.fileStore = fileDoor.fileStore;
export const redisStore: typeof RedisDoor.redisStore = redisDoor.redisStore;
export const postgresStore: typeof PostgresDoor.postgresStore = postgresDoor.postgresStore;
/** Opens a database as the store does, for those who use it bare. */
export const openDatabase: typeof Driver.openDatabase = driver.openDatabase;
/** What decides in which journal mode the store keeps a new file. */
export const isWalSound: typeof SqliteBuild.isWalSound = sqliteBuild.isWalSound;
export const sqliteVersion: typeof SqliteBuild.sqliteVersion = sqliteBuild.sqliteVersion;

/** Where a module of the library is loaded from, by its path below `src/` without its ending. */
export function urlOf(module: string): string {
  return new URL(isBuilt ? `dist/src/${module}.js` : `src/${module}.ts`, root).href;
}
