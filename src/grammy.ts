/**
 * The entry point `holdfast/grammy`.
 */
export { session, type SessionOptions } from "./adapters/grammy/session.ts";
export {
  storageAdapter,
  type HoldfastStorage,
  type StorageAdapterOptions,
} from "./adapters/grammy/storage.ts";
