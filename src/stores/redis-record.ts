/** From a script's answer to a record, and how damage and foreign data are told. */
import { CorruptStateError, StoreUnavailableError } from "../../actors/errors.ts";
import { applyPatches } from "../../actors/patches.ts";
import type { Json, Patch } from "../../actors/protocol.ts";
import { isLarge } from "./large-keys.ts";
import { FORMAT } from "./redis-script.ts";
import type { StoredRecord } from "./store.ts";

/** The record a script found, and whether its patches are worth asking for. */
export interface FoundRecord {
  readonly record: StoredRecord | undefined;
  readonly isLarge: boolean;
}

/**
 * Reads an answer of `found` in redis-script.ts. Throws `CorruptStateError` for damage and for what
 * is not a record, naming the Redis key; `StoreUnavailableError` for a record of a newer format.
 */
export function readFound(answer: unknown, head: string): FoundRecord {
  const [kind, ...rest]: readonly unknown[] = Array.isArray(answer) ? answer : [];
  if (kind === "none") return { record: undefined, isLarge: false };
  if (kind === "foreign") throw foreign(String(rest[0]));
  if (kind === "newer") throw newer(head, String(rest[0]));
  const version = Number(rest[0]);
  if (!Number.isSafeInteger(version) || version < 1)
    throw damaged(head, "its version is no number");
  if (kind === "dead") return { record: { version, state: undefined }, isLarge: false };
  const leftMs = rest[1] === "" ? undefined : Number(rest[1]);
  if (kind === "inline") {
    const record = { version, state: parse(head, rest[2]), leftMs };
    return { record, isLarge: false };
  }
  if (kind !== "apart") throw damaged(head, "its answer has an unknown shape");
  const [, , baseVersion, base, log] = rest;
  const state = replay({ head, version, reached: Number(baseVersion), base, log });
  return { record: { version, state, leftMs }, isLarge: isLarge(String(base)) };
}

/** The error for a key that holds something this store did not write. */
export function foreign(redisKey: string): CorruptStateError {
  return damaged(redisKey, "something else is stored there: move it, or use another keyPrefix");
}

function damaged(redisKey: string, reason: string, cause?: unknown): CorruptStateError {
  return new CorruptStateError({ location: `Redis key ${redisKey}`, reason }, { cause });
}

function newer(head: string, format: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `Redis key ${head} has format ${format}, and this version of holdfast reads ${FORMAT}; ` +
      "update holdfast",
  );
}

function replay(from: {
  readonly head: string;
  readonly version: number;
  readonly reached: number;
  readonly base: unknown;
  readonly log: unknown;
}): Json {
  const { head, version, base, log } = from;
  if (base === null || !Array.isArray(log)) throw damaged(head, "its base is missing");
  let state = parse(head, base);
  let reached = from.reached;
  for (const entry of log) {
    // The script gives a list of texts.
    const [, since, to, text] = /^(\d+) (\d+) (.*)$/s.exec(String(entry)) ?? [];
    if (Number(since) !== reached) throw damaged(head, `no patch after version ${reached}`);
    state = apply(head, state, text);
    reached = Number(to);
  }
  if (reached !== version) throw damaged(head, `its patches end at version ${reached}`);
  return state;
}

/** One entry of a log, as `replay` reads it. */
export function logEntry(since: number, version: number, patches: string): string {
  return `${since} ${version} ${patches}`;
}

function apply(head: string, state: Json, text: unknown): Json {
  // Only this store appends to a log, and what it appends is a list of patches.
  const patches = parse(head, text) as unknown as readonly Patch[];
  try {
    return applyPatches(state, patches);
  } catch (cause) {
    throw damaged(head, "a patch does not fit the state before it", cause);
  }
}

function parse(head: string, text: unknown): Json {
  try {
    // JSON.parse gives exactly the values of Json.
    return JSON.parse(String(text)) as Json;
  } catch {
    // What the parser says repeats part of the text.
    throw damaged(head, "not JSON");
  }
}
