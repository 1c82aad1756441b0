/**
 * The entry point `holdfast/telegraf`.
 */
export { session, type SessionContext, type SessionOptions } from "./adapters/telegraf/session.ts";
export { sessionStore, type SessionStoreOptions } from "./adapters/telegraf/store.ts";
