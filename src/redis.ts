/** The entry point `holdfast/redis`: a store in Redis, Valkey or a Cluster; needs `ioredis`. */
export { redisStore } from "./stores/redis/store.ts";
export type { RedisStoreOptions } from "./stores/redis/options.ts";
export type { AppendFsync } from "./stores/redis/handshake.ts";
export type { AnyRedis } from "./stores/redis/open.ts";
