/** Commands on maps; see `Command`. */
import type { Reply } from "./command.ts";
import { fieldsOf, type Entry } from "./entry.ts";
import { Failure, failure } from "./error.ts";
import { addExact, integerArg, readInteger } from "./integer.ts";
import { readCursor, scanPage } from "./scan.ts";
import type { CommandTable } from "./text-command.ts";

function set(entry: Entry, args: readonly string[]): Reply {
  if (args.length === 0)
    throw new Failure("ARITY", "ERR wrong number of arguments for 'hset' command");
  let added = 0;
  void entry.map; // Throws before any write.
  for (let at = 0; at < args.length; at += 2) {
    const name = args[at] ?? "";
    if (entry.field(name) === undefined) added += 1;
    entry.setField(name, args[at + 1] ?? "");
  }
  return String(added);
}

function getMany(entry: Entry, names: readonly string[]): Reply {
  if (names.length === 0)
    throw new Failure("ARITY", "ERR wrong number of arguments for 'hmget' command");
  void entry.map; // Throws for another type, for any names.
  return names.map((name) => entry.field(name) ?? null);
}

function remove(entry: Entry, names: readonly string[]): Reply {
  if (names.length === 0)
    throw new Failure("ARITY", "ERR wrong number of arguments for 'hdel' command");
  let removed = 0;
  for (const name of names) {
    if (entry.field(name) === undefined) continue;
    entry.deleteField(name);
    removed += 1;
  }
  return String(removed);
}

function increase(entry: Entry, [name = "", by]: readonly string[]): Reply {
  const added = integerArg(by);
  const current = readInteger(entry.field(name) ?? "0");
  if (current === undefined) throw failure("HASH_NOT_INTEGER");
  const next = addExact(current, added).toString();
  entry.setField(name, next);
  return next;
}

function scan(entry: Entry, [cursor = "", ...options]: readonly string[]): Reply {
  const start = readCursor(cursor);
  const fields = fieldsOf(entry.map ?? {});
  const optionAfter = (name: string): string | undefined => {
    const at = options.indexOf(name);
    return at % 2 === 0 ? options[at + 1] : undefined;
  };
  const count = optionAfter("COUNT");
  return scanPage(fields, {
    start,
    pattern: optionAfter("MATCH"),
    count: count === undefined ? undefined : Number(integerArg(count)),
  });
}

function all(entry: Entry): [string, string][] {
  return fieldsOf(entry.map ?? {});
}

/** The commands of this file. */
export const MAP_COMMANDS: CommandTable = [
  ["HSET", set],
  ["HGET", (entry, [name = ""]) => entry.field(name) ?? null],
  ["HMGET", getMany],
  ["HGETALL", (entry) => all(entry).flat()],
  ["HVALS", (entry) => all(entry).map(([, value]) => value)],
  ["HDEL", remove],
  ["HEXISTS", (entry, [name = ""]) => (entry.field(name) === undefined ? "0" : "1")],
  ["HINCRBY", increase],
  ["HLEN", (entry) => String(Object.keys(entry.map ?? {}).length)],
  ["HSCAN", scan],
];
