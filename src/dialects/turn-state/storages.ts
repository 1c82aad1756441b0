/** The storages: memory, files, Redis, and the scopes of a runtime. */
import type { Runtime } from "../../runtime/runtime.ts";
import type { KeyCodec, ValueCodec } from "./codec.ts";
import { FileTexts } from "./file-texts.ts";
import { MemoryVault } from "./memory-vault.ts";
import { locationOf } from "./mailboxes.ts";
import { isRedisClient, redisFromClient, redisFromUrl, type RedisClient } from "./redis-client.ts";
import { RedisTexts } from "./redis-texts.ts";
import { RuntimeVault } from "./runtime-vault.ts";
import { VaultStorage } from "./storage.ts";
import { TextVault } from "./text-vault.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { typeName } from "../../../actors/state/copy.ts";

/** Documents in memory, or in a runtime when one is given. */
export class MemoryStorage extends VaultStorage {
  constructor(options: { readonly runtime?: Runtime | undefined } = {}) {
    refuseUnknown("MemoryStorage", options, ["runtime"]);
    const { runtime } = options;
    super(runtime === undefined ? new MemoryVault() : new RuntimeVault(runtime));
  }
}

/** Codecs between documents and their storage. */
export interface CodecOptions {
  /** Encodes a document's JSON text for its storage; default none: bare JSON. */
  readonly codec?: ValueCodec | undefined;
  /** Maps a key to the name under which it is stored; default none. */
  readonly keyCodec?: KeyCodec | undefined;
}

/** Options of `FileStorage`. */
export interface FileStorageOptions extends CodecOptions {
  /** Default true: a stored document survives power loss. */
  readonly fsync?: boolean | undefined;
}

const FILE_OPTIONS = optionNames<FileStorageOptions>({
  fsync: true,
  codec: true,
  keyCodec: true,
});

/** One JSON file per document in a directory, compatible with the original's ports. */
export class FileStorage extends VaultStorage {
  constructor(dir = "./bot-state", options: FileStorageOptions = {}) {
    refuseUnknown("FileStorage", options, FILE_OPTIONS);
    const { fsync = true, codec, keyCodec } = options;
    if (typeof dir !== "string" || dir === "")
      throw new TypeError("a directory must be a text that is not empty");
    super(new TextVault(new FileTexts(dir, fsync), { indent: 2, codec, keyCodec }));
  }
}

/** Options of `RedisStorage`. */
export interface RedisStorageOptions extends CodecOptions {
  /** The prefix of every key; default `botas:`. */
  readonly keyPrefix?: string | undefined;
  /** `close` ends the given client; default false. */
  readonly ownsClient?: boolean | undefined;
}

const REDIS_OPTIONS = optionNames<RedisStorageOptions>({
  keyPrefix: true,
  ownsClient: true,
  codec: true,
  keyCodec: true,
});

/** One string per document in Redis, compatible with the original's ports. */
export class RedisStorage extends VaultStorage {
  readonly #texts: RedisTexts;

  /** Takes a URL, or a client. The connection is opened when it is first needed. */
  constructor(urlOrClient: string | RedisClient, options: RedisStorageOptions = {}) {
    refuseUnknown("RedisStorage", options, REDIS_OPTIONS);
    const { keyPrefix = "botas:", ownsClient = false, codec, keyCodec } = options;
    if (typeof urlOrClient !== "string" && !isRedisClient(urlOrClient))
      throw new TypeError(`RedisStorage takes a URL or a client, not ${typeName(urlOrClient)}`);
    const redis =
      typeof urlOrClient === "string"
        ? redisFromUrl(urlOrClient)
        : redisFromClient(urlOrClient, locationOf(urlOrClient), ownsClient);
    const texts = new RedisTexts(redis, keyPrefix);
    super(new TextVault(texts, { indent: 0, codec, keyCodec }));
    this.#texts = texts;
  }

  /** Waits for running calls; ends the connection if this storage owns it. */
  close(): Promise<void> {
    return this.#texts.close();
  }
}

/** Options of `RuntimeStorage`. */
export interface RuntimeStorageOptions {
  /** The type of scope for documents, of a declared kind; default a kind of this dialect. */
  readonly type?: string | undefined;
}

/** Documents as scopes of a runtime, on the runtime's store. */
export class RuntimeStorage extends VaultStorage {
  /** Throws `TypeError` when the runtime has a different kind named `turn-state`. */
  constructor(
    runtime: Runtime | { readonly runtime: Runtime },
    options: RuntimeStorageOptions = {},
  ) {
    refuseUnknown("RuntimeStorage", options, ["type"]);
    const { type } = options;
    super(new RuntimeVault("runtime" in runtime ? runtime.runtime : runtime, type));
  }
}
