/** The entry point `holdfast/ms-agents`: storage and turns of Microsoft's agents and bots. */
export {
  ETagConflictError,
  HoldfastStorage,
  type HoldfastStorageOptions,
  type StoredItems,
} from "./adapters/ms-agents/storage.ts";
export { type TurnMiddleware, turns, type TurnsOptions } from "./adapters/ms-agents/turns.ts";
