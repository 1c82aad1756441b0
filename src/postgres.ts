/** The entry point `holdfast/postgres`: a store in a PostgreSQL database. */
export { postgresStore } from "./stores/postgres/store.ts";
export type { PostgresStoreOptions } from "./stores/postgres/options.ts";
export { postgresSchema } from "./stores/postgres/schema.ts";
export type { PostgresPool, PostgresPoolClient } from "./stores/postgres/connection.ts";
