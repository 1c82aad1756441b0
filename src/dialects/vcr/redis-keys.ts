/**
 * One command on one key of a Redis server, with the handling of a session's end and of exact
 * numbers.
 */
import type { Command, Reply } from "./command.ts";
import { isRead } from "./command.ts";
import { Failure } from "./error.ts";
import { integerArg } from "./integer.ts";
import { haveSameContent } from "./list-command.ts";
import type { RedisCommand, RedisConnection } from "./redis-connection.ts";
import { EXPIRE_IN_SESSION, INSERT_SAME, REMOVE_SAME, TTL_IN_SESSION } from "./redis-script.ts";

/** Replaces items to remove while a script runs; it is not JSON, so it equals no item. */
const REMOVED = "\u0000removed";
/** The maximum number of texts of the value's length in a list; each of them costs one run. */
const UNLIKE_MAX = 10_000;

/** The connection, space and key of a command. */
export interface RedisTarget {
  readonly connection: RedisConnection;
  readonly id: string;
  /** The end of the session; 0 = never. */
  readonly endsAt: number;
}

/** Runs a command. */
export async function runOnRedis(target: RedisTarget, command: Command): Promise<Reply> {
  const { connection, id, endsAt } = target;
  const { name, args } = command;
  if (endsAt !== 0 && name === "EXPIRE")
    return connection.script(EXPIRE_IN_SESSION, id, [endsAt, ...args]);
  if (endsAt !== 0 && name === "TTL") return connection.script(TTL_IN_SESSION, id, [endsAt]);
  if (takesSeveralSteps(command)) return runDeep(target, command);
  return sendWithMore(target, command);
}

/** The command, in one step with the commands that must follow it. */
async function sendWithMore(
  { connection, id, endsAt }: RedisTarget,
  command: Command,
): Promise<Reply> {
  const { name, args } = command;
  const look = connection.isExact ? undefined : lookAfter(command, id);
  const end: RedisCommand | undefined =
    endsAt === 0 || isRead(command) ? undefined : ["PEXPIREAT", id, endsAt, "LT"];
  const more = [look, end].filter((each) => each !== undefined);
  if (more.length === 0) return connection.send(name, id, ...args);
  const [reply, looked] = await connection.sendAll([[name, id, ...args], ...more]);
  return (look === undefined ? reply : looked) ?? null;
}

/** The client rounds numbers above 2^53 in replies, but not texts: the sum is read as a text. */
function lookAfter({ name, args }: Command, id: string): RedisCommand | undefined {
  if (name === "INCRBY" || name === "DECRBY") return ["GET", id];
  return name === "HINCRBY" ? ["HGET", id, args[0] ?? ""] : undefined;
}

/** The value to find in a list: `LREM count value`, `LINSERT side pivot value`. */
function sought({ args }: Command): string {
  return args[1] ?? "";
}

/**
 * True for a search by a value with keys or items, whose text may differ for equal content. It can
 * take several steps, and later calls of the key must wait for the last one.
 */
export function takesSeveralSteps(command: Command): boolean {
  const isSearch = command.name === "LREM" || command.name === "LINSERT";
  return command.deep === true && isSearch && /^[[{]/.test(sought(command));
}

async function runDeep({ connection, id, endsAt }: RedisTarget, command: Command): Promise<Reply> {
  if (command.name === "LREM") integerArg(command.args[0]);
  const value = sought(command);
  const same = [value];
  const other: string[] = [];
  const [script, ...first] =
    command.name === "LREM"
      ? [REMOVE_SAME, command.args[0] ?? "", REMOVED]
      : [INSERT_SAME, command.args[0] ?? "", command.args[2] ?? ""];
  while (other.length + same.length <= UNLIKE_MAX) {
    const texts = [same.length, ...same, ...other];
    const [sign, text] = pair(await connection.script(script, id, [...first, ...texts]));
    if (sign === "?") (haveSameContent(value, text, true) ? same : other).push(text);
    else {
      if (endsAt !== 0) await connection.send("PEXPIREAT", id, endsAt, "LT");
      return text;
    }
  }
  throw new Failure("NOT_SUPPORTED", `a list with more than ${UNLIKE_MAX} texts like the value`);
}

function pair(reply: Reply): [string, string] {
  const [sign, text] = Array.isArray(reply) ? reply : [];
  if (typeof sign === "string" && typeof text === "string") return [sign, text];
  throw new Failure("REDIS", "a script's answer cannot be read");
}
