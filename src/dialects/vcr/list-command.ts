/** Commands on lists; see `Command`. */
import { equal } from "../../../actors/state/equal.ts";
import type { Reply } from "./command.ts";
import { decodeValue } from "./encode.ts";
import type { Entry } from "./entry.ts";
import { failure } from "./error.ts";
import { countArg, indexArg } from "./integer.ts";
import type { CommandTable } from "./text-command.ts";

/**
 * True when two JSON texts say the same. The order of keys changes no text's length, so texts of
 * different lengths are told apart unread.
 */
export function saysTheSame(left: string, right: string, deep: boolean): boolean {
  if (left === right) return true;
  if (!deep || left.length !== right.length || !/^[[{]/.test(left)) return false;
  return equal(decodeValue(left), decodeValue(right));
}

function append(entry: Entry, items: readonly string[]): Reply {
  const before = entry.list?.length ?? 0;
  for (const item of items) entry.push(item);
  return String(before + items.length);
}

function prepend(entry: Entry, items: readonly string[]): Reply {
  const next = [...items.toReversed(), ...(entry.list ?? [])];
  entry.setList(next);
  return String(next.length);
}

function pop(entry: Entry, arg: string | undefined, end: "start" | "end"): Reply {
  const count = countArg(arg);
  const { list } = entry;
  if (list === undefined) return null;
  const taken = Math.min(count, list.length);
  if (taken === 0) return [];
  const cut = list.length - taken;
  entry.setList(end === "start" ? list.slice(taken) : list.slice(0, cut));
  return end === "start" ? list.slice(0, taken) : list.slice(cut).toReversed();
}

function remove(entry: Entry, args: readonly string[], deep: boolean): Reply {
  const [limit, value = ""] = [indexArg(args[0]), args[1]];
  const { list } = entry;
  if (list === undefined) return "0";
  const ordered = limit < 0 ? list.toReversed() : list;
  let left = limit === 0 ? Infinity : Math.abs(limit);
  const kept = ordered.filter((item) => {
    if (left === 0 || !saysTheSame(item, value, deep)) return true;
    left -= 1;
    return false;
  });
  if (kept.length === list.length) return "0";
  entry.setList(limit < 0 ? kept.toReversed() : kept);
  return String(list.length - kept.length);
}

/** The part of a list between two places, both included; negative ones count from the end. */
function slice(list: readonly string[], start: number, end: number): readonly string[] {
  const first = start < 0 ? Math.max(0, list.length + start) : start;
  const last = end < 0 ? list.length + end : end;
  return last < first ? [] : list.slice(first, last + 1);
}

function trim(entry: Entry, args: readonly string[]): Reply {
  const [start, end] = [indexArg(args[0]), indexArg(args[1])];
  const { list } = entry;
  if (list === undefined) return "OK";
  const kept = slice(list, start, end);
  if (kept.length < list.length) entry.setList(kept);
  return "OK";
}

function range(entry: Entry, args: readonly string[]): Reply {
  const [start, end] = [indexArg(args[0]), indexArg(args[1])];
  return slice(entry.list ?? [], start, end);
}

function insert(
  entry: Entry,
  [side, pivot = "", value = ""]: readonly string[],
  deep: boolean,
): Reply {
  const { list } = entry;
  if (list === undefined) return "0";
  const found = list.findIndex((item) => saysTheSame(item, pivot, deep));
  if (found < 0) return "-1";
  entry.setList(list.toSpliced(side === "BEFORE" ? found : found + 1, 0, value));
  return String(list.length + 1);
}

function at(list: readonly string[], place: number): number {
  return place < 0 ? list.length + place : place;
}

function index(entry: Entry, [place]: readonly string[]): Reply {
  const { list } = entry;
  return list === undefined ? null : (list[at(list, indexArg(place))] ?? null);
}

function set(entry: Entry, [place, value = ""]: readonly string[]): Reply {
  const { list } = entry;
  if (list === undefined) throw failure("NO_SUCH_KEY");
  const found = at(list, indexArg(place));
  if (list[found] === undefined) throw failure("OUT_OF_RANGE");
  entry.setList(list.with(found, value));
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
  ["LLEN", (entry) => String(entry.list?.length ?? 0)],
];
