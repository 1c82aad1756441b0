/** The door `holdfast/sqlite`: a store in one SQLite file. */
export { sqliteStore, type SqliteStoreOptions } from "./stores/sqlite.ts";
export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./stores/sqlite-driver.ts";
export type { Synchronous } from "./stores/sqlite-schema.ts";
