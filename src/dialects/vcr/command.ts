/** Commands of a state on one key: Redis' own commands, run in memory or by a server. */

/** A reply: numbers are texts, so that 64 bits stay exact. */
export type Reply = string | null | readonly Reply[];

/** One command; its key is passed separately. */
export interface Command {
  readonly name: CommandName;
  readonly args: readonly string[];
  /** How `LREM` and `LINSERT` compare a value; default as text. */
  readonly deep?: boolean;
}

/** The commands in use. */
export type CommandName = ReadCommand | WriteCommand;

/** Commands that change nothing. */
export type ReadCommand =
  | "GET"
  | "EXISTS"
  | "TTL"
  | "HGET"
  | "HMGET"
  | "HGETALL"
  | "HVALS"
  | "HEXISTS"
  | "HLEN"
  | "HSCAN"
  | "LINDEX"
  | "LLEN"
  | "LRANGE";

/** Commands that may change their key. */
export type WriteCommand =
  | "SET"
  | "DEL"
  | "INCRBY"
  | "DECRBY"
  | "EXPIRE"
  | "HSET"
  | "HDEL"
  | "HINCRBY"
  | "RPUSH"
  | "LPUSH"
  | "RPOP"
  | "LPOP"
  | "LREM"
  | "LTRIM"
  | "LINSERT"
  | "LSET";

const READS: ReadonlySet<CommandName> = new Set<ReadCommand>([
  "GET",
  "EXISTS",
  "TTL",
  "HGET",
  "HMGET",
  "HGETALL",
  "HVALS",
  "HEXISTS",
  "HLEN",
  "HSCAN",
  "LINDEX",
  "LLEN",
  "LRANGE",
]);

/** True for a command that changes nothing. */
export function isRead(command: Command): boolean {
  return READS.has(command.name);
}
