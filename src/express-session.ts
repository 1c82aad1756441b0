/**
 * The entry point `holdfast/express-session`.
 */
export {
  HoldfastSessionStore,
  type SessionStoreOptions,
} from "./adapters/express-session/store.ts";
