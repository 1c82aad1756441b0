/** The entry point `holdfast/sqlite`: a store in one SQLite file. */
export { sqliteStore } from "./stores/sqlite/store.ts";
export type { Processes } from "./stores/sqlite/build.ts";
export type { SqliteStoreOptions } from "./stores/sqlite/options.ts";
export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./stores/sqlite/driver.ts";
export type { Synchronous } from "./stores/sqlite/setup.ts";
