/**
 * The entry point `holdfast/vcr`: the state of the VCR platform, in this process or on Redis.
 */
export {
  createVcr,
  vcr,
  type SessionRequest,
  type Vcr,
  type VcrOptions,
} from "./dialects/vcr/vcr.ts";
export { State, type StateSearchResult } from "./dialects/vcr/state.ts";
export type { UpdateRecipe, Whole } from "./dialects/vcr/state-text.ts";
export type { SetOptions } from "./dialects/vcr/state-args.ts";
export { Session } from "./dialects/vcr/session.ts";
export { EXPIRE_OPTION, FieldType, IndexType, SortOrder, Unit } from "./dialects/vcr/enum.ts";
export { VcrStateError, type VcrStateErrorCode } from "./dialects/vcr/error.ts";
export type {
  CreateIndexOptions,
  IndexField,
  StateSearchOptions,
} from "./dialects/vcr/index-option.ts";
export type { SearchHit, SearchResult } from "./dialects/vcr/search/result.ts";
export type { RedisClient } from "./dialects/redis-client.ts";
