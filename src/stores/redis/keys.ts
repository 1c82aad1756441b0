/**
 * The names of a store's keys in Redis, and the slot of each in a Cluster.
 *
 * A record is up to five keys that begin with `<prefix>{<tag>}`. Redis Cluster hashes only the text
 * between the first `{` and the next `}`, so all of a record is in one slot.
 *
 * Invariants
 *  K1  Different keys have different tags: `}` is escaped, and the empty key has the tag `~`, which
 *      no other key gets.
 *  K2  A tag is never empty and the prefix has no brace, so the tag is what Redis hashes.
 */
import { toAsciiKey } from "../shared/ascii-key.ts";

/** The Redis keys of one record. */
export interface RecordKeys {
  /** A hash: version, form, expiry, a small state, the last operations. */
  readonly head: string;
  /** The last whole text of a state that is stored apart. */
  readonly base: string;
  /** The patches since the base. */
  readonly log: string;
  /** A list: the rows of its history. */
  readonly history: string;
  /** The token of the running exclusive section. */
  readonly lease: string;
}

/** The Redis keys of the record under `key`. */
export function recordKeys(prefix: string, key: string): RecordKeys {
  const tag = key === "" ? "~" : toAsciiKey(key).replaceAll("}", "~007d");
  const head = `${prefix}{${tag}}`;
  return {
    head,
    base: `${head}:base`,
    log: `${head}:log`,
    history: `${head}:history`,
    lease: `${head}:lease`,
  };
}

const SLOTS = 16_384;
const CRC_POLYNOMIAL = 0x1021;

/** The slot of a Redis key in a Cluster. */
export function slotOf(redisKey: string): number {
  const open = redisKey.indexOf("{");
  const close = open === -1 ? -1 : redisKey.indexOf("}", open + 1);
  return crc16(close > open + 1 ? redisKey.slice(open + 1, close) : redisKey) % SLOTS;
}

/** CRC-16 in the XMODEM variant, as the Cluster specification requires. */
function crc16(text: string): number {
  let sum = 0;
  for (const byte of Buffer.from(text)) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      sum = ((sum & 0x8000) === 0 ? sum << 1 : (sum << 1) ^ CRC_POLYNOMIAL) & 0xffff;
  }
  return sum;
}
