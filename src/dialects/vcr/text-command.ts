/** Commands on texts and on keys of any type; see `Command`. */
import type { CommandName, Reply } from "./command.ts";
import type { Entry } from "./entry.ts";
import { Failure, failure } from "./error.ts";
import { addExact, integerArg, negate, readInteger } from "./integer.ts";

/** Runs one command on an entry. Writes completely or throws. */
export type Run = (entry: Entry, args: readonly string[], deep: boolean) => Reply;

/** Commands with their names. */
export type CommandTable = readonly (readonly [CommandName, Run])[];

const MAX_MS = 2n ** 63n - 1n;
const OPTIONS: ReadonlySet<string> = new Set(["NX", "XX", "GT", "LT"]);

function set(entry: Entry, [text = "", option, ms]: readonly string[]): Reply {
  let expiresAt = 0;
  if (option === "KEEPTTL") ({ expiresAt } = entry);
  if (option === "PX") expiresAt = entry.now + Number(ms);
  entry.setText(text, expiresAt);
  return "OK";
}

function remove(entry: Entry): Reply {
  if (!entry.exists) return "0";
  entry.clear();
  return "1";
}

function increase(entry: Entry, by: bigint): Reply {
  const current = readInteger(entry.text ?? "0");
  if (current === undefined) throw failure("NOT_INTEGER");
  const next = addExact(current, by).toString();
  entry.setText(next, entry.expiresAt);
  return next;
}

function expire(entry: Entry, [seconds, option]: readonly string[]): Reply {
  const rule = option?.toUpperCase();
  if (rule !== undefined && !OPTIONS.has(rule))
    throw new Failure("SYNTAX", `ERR Unsupported option ${option}`);
  const expiresAt = endOf(integerArg(seconds), entry.now);
  if (!entry.exists || !mayExpire(entry.expiresAt, expiresAt, rule)) return "0";
  if (expiresAt <= entry.now) entry.clear();
  else entry.expiresAt = expiresAt;
  return "1";
}

/** The time `seconds` from now, in milliseconds; throws `BAD_EXPIRE` when it exceeds 64 bits. */
function endOf(seconds: bigint, now: number): number {
  const end = seconds * 1000n + BigInt(Math.floor(now));
  if (seconds * 1000n > MAX_MS || seconds * 1000n < -MAX_MS || end > MAX_MS)
    throw failure("BAD_EXPIRE");
  return Number(end);
}

/** A key without an end counts as ending after every time. */
function mayExpire(before: number, next: number, rule: string | undefined): boolean {
  if (rule === "NX") return before === 0;
  if (rule === "XX") return before !== 0;
  if (rule === "GT") return before !== 0 && next > before;
  if (rule === "LT") return before === 0 || next < before;
  return true;
}

function timeToLive(entry: Entry): Reply {
  if (!entry.exists) return "-2";
  if (entry.expiresAt === 0) return "-1";
  return String(Math.floor((entry.expiresAt - entry.now + 500) / 1000));
}

/** The commands of this file. */
export const TEXT_COMMANDS: CommandTable = [
  ["SET", set],
  ["GET", (entry) => entry.text ?? null],
  ["DEL", remove],
  ["INCRBY", (entry, [by]) => increase(entry, integerArg(by))],
  ["DECRBY", (entry, [by]) => increase(entry, negate(integerArg(by)))],
  ["EXPIRE", expire],
  ["TTL", timeToLive],
  ["EXISTS", (entry) => (entry.exists ? "1" : "0")],
];
