/**
 * The entry point `holdfast/turn-state`: state of conversations and users for bots, turn by turn.
 */
export * from "../actors/errors.ts";
export {
  deriveConversationKey,
  deriveUserKey,
  type KeyFormat,
  type TurnActivity,
} from "./dialects/turn-state/activity.ts";
export {
  aes256GcmCodec,
  hmacKeyCodec,
  type AesCodecOptions,
  type KeyCodec,
  type ValueCodec,
} from "./dialects/turn-state/codec.ts";
export type { ValuesPolicy } from "./dialects/turn-state/json.ts";
export {
  useState,
  type NextMiddleware,
  type StatefulContext,
  type StateMiddleware,
} from "./dialects/turn-state/middleware.ts";
export type { TurnOptions } from "./dialects/turn-state/policy.ts";
export type {
  CommandClient,
  IoredisClient,
  RedisClient,
} from "./dialects/turn-state/redis-client.ts";
export type { TurnScope } from "./dialects/turn-state/scope.ts";
export type { Storage } from "./dialects/turn-state/storage.ts";
export {
  FileStorage,
  MemoryStorage,
  RedisStorage,
  RuntimeStorage,
  type CodecOptions,
  type FileStorageOptions,
  type RedisStorageOptions,
  type RuntimeStorageOptions,
} from "./dialects/turn-state/storages.ts";
export { TurnState } from "./dialects/turn-state/turn-state.ts";
export { runTurn, type TurnContext, type TurnHandler } from "./dialects/turn-state/turn.ts";
export type { StorageLike } from "./dialects/turn-state/vault-of.ts";
