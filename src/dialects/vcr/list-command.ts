/** Commands on lists; see `Command`. */
import { equal } from "../../../actors/state/equal.ts";
import type { Reply } from "./command.ts";
import { decodeValue } from "./encode.ts";
import type { Entry } from "./entry.ts";
import { failure } from "./error.ts";
import { countArg, indexArg } from "./integer.ts";
import { itemsOf, lengthOf, positionOf, without, type StoredList } from "./list-parts.ts";
import type { CommandTable } from "./text-command.ts";

/**
 * True when two JSON texts have the same content. The order of keys changes no text's length, so
 * texts of different lengths differ and are not parsed.
 */
export function haveSameContent(left: string, right: string, deep: boolean): boolean {
  if (left === right) return true;
  if (!deep || left.length !== right.length || !/^[[{]/.test(left)) return false;
  return equal(decodeValue(left), decodeValue(right));
}

function append(entry: Entry, items: readonly string[]): Reply {
  const before = sizeOf(entry);
  entry.push(items);
  return String(before + items.length);
}

function prepend(entry: Entry, items: readonly string[]): Reply {
  const before = sizeOf(entry);
  const add = items.toReversed();
  if (before === 0) entry.push(add);
  else entry.splice({ at: 0, remove: 0, add });
  return String(before + items.length);
}

function sizeOf({ list }: Entry): number {
  return list === undefined ? 0 : lengthOf(list);
}

function pop(entry: Entry, arg: string | undefined, end: "start" | "end"): Reply {
  const wanted = countArg(arg);
  const { list } = entry;
  if (list === undefined) return null;
  const length = lengthOf(list);
  const taken = Math.min(wanted, length);
  if (taken === 0) return [];
  const at = end === "start" ? 0 : length - taken;
  const items = itemsOf(list, at, at + taken);
  entry.splice({ at, remove: taken, add: [] });
  return end === "start" ? items : items.toReversed();
}

function remove(entry: Entry, args: readonly string[], deep: boolean): Reply {
  const [limit, value = ""] = [indexArg(args[0]), args[1]];
  const { list } = entry;
  if (list === undefined) return "0";
  const most = limit === 0 ? Infinity : Math.abs(limit);
  let removed = 0;
  const keeps = (item: string): boolean => {
    if (removed === most || !haveSameContent(item, value, deep)) return true;
    removed += 1;
    return false;
  };
  entry.edit(without(list, keeps, limit < 0));
  return String(removed);
}

/**
 * The part between two indexes, both included; negative ones count from the end. `end` is the index
 * after it.
 */
function bounds(length: number, first: number, last: number): { start: number; end: number } {
  const start = first < 0 ? Math.max(0, length + first) : first;
  const end = Math.min(length, (last < 0 ? length + last : last) + 1);
  return end <= start ? { start: 0, end: 0 } : { start, end };
}

function trim(entry: Entry, args: readonly string[]): Reply {
  const [first, last] = [indexArg(args[0]), indexArg(args[1])];
  const length = sizeOf(entry);
  const { start, end } = bounds(length, first, last);
  entry.splice({ at: end, remove: length - end, add: [] });
  if (start > 0) entry.splice({ at: 0, remove: start, add: [] });
  return "OK";
}

function range(entry: Entry, args: readonly string[]): Reply {
  const [first, last] = [indexArg(args[0]), indexArg(args[1])];
  const { list = [] } = entry;
  const { start, end } = bounds(lengthOf(list), first, last);
  return itemsOf(list, start, end);
}

function insert(
  entry: Entry,
  [side, pivot = "", value = ""]: readonly string[],
  deep: boolean,
): Reply {
  const { list } = entry;
  if (list === undefined) return "0";
  const found = positionOf(list, (item) => haveSameContent(item, pivot, deep));
  if (found < 0) return "-1";
  entry.splice({ at: side === "BEFORE" ? found : found + 1, remove: 0, add: [value] });
  return String(sizeOf(entry));
}

/** A possibly negative index, counted from the start; -1 when it is not in the list. */
function fromStart(list: StoredList, position: number): number {
  const length = lengthOf(list);
  const at = position < 0 ? length + position : position;
  return at < length ? Math.max(-1, at) : -1;
}

function index(entry: Entry, [position]: readonly string[]): Reply {
  const { list } = entry;
  if (list === undefined) return null;
  const at = fromStart(list, indexArg(position));
  return at < 0 ? null : (itemsOf(list, at, at + 1)[0] ?? null);
}

function set(entry: Entry, [position, value = ""]: readonly string[]): Reply {
  const { list } = entry;
  if (list === undefined) throw failure("NO_SUCH_KEY");
  const at = fromStart(list, indexArg(position));
  if (at < 0) throw failure("OUT_OF_RANGE");
  entry.splice({ at, remove: 1, add: [value] });
  return "OK";
}

/** The commands of this file. */
export const LIST_COMMANDS: CommandTable = [
  ["RPUSH", append],
  ["LPUSH", prepend],
  ["RPOP", (entry, [count]) => pop(entry, count, "end")],
  ["LPOP", (entry, [count]) => pop(entry, count, "start")],
  ["LREM", remove],
  ["LTRIM", trim],
  ["LRANGE", range],
  ["LINSERT", insert],
  ["LINDEX", index],
  ["LSET", set],
  ["LLEN", (entry) => String(sizeOf(entry))],
];
