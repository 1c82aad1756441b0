/** The door `holdfast/postgres`: a store in a PostgreSQL database. */
export { postgresStore, type PostgresStoreOptions } from "./stores/postgres.ts";
export { postgresSchema } from "./stores/postgres-schema.ts";
export type { PostgresPool, PostgresPoolClient } from "./stores/postgres-driver.ts";
