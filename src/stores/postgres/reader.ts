/** Converts rows to records: replays patch logs and reports damage. */
import { CorruptStateError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";
import { fromAsciiKey } from "../shared/ascii-key.ts";
import { type Damaged, type LogStep, parseJson, replay } from "../shared/patch-log.ts";
import type { PostgresRow } from "./connection.ts";
import type { StoredRecord } from "../contract.ts";

/** The columns of a row, before its log is read. */
export interface RecordRow {
  readonly key: string;
  readonly version: number;
  readonly state: string | null;
  readonly leftMs: number | null;
  readonly baseVersion: number;
  readonly baseSize: number;
  readonly logCount: number;
}

/** Reads records; `server` is for messages. */
export class RecordReader {
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  /** Checks the columns of a row. */
  row(columns: PostgresRow): RecordRow {
    const { key, state, left_ms: left } = columns;
    if (typeof key !== "string") throw this.#damaged("", "unreadable key");
    // The user may have changed how the driver returns numbers.
    const number = (name: string): number => {
      const value = Number(columns[name] ?? Number.NaN);
      if (Number.isNaN(value)) throw this.#damaged(key, `unreadable ${name}`);
      return value;
    };
    if (state !== null && typeof state !== "string") throw this.#damaged(key, "unreadable state");
    return {
      key,
      state,
      version: number("version"),
      leftMs: left === null ? null : number("left_ms"),
      baseVersion: number("base_version"),
      baseSize: number("base_size"),
      logCount: number("log_count"),
    };
  }

  /** The record of a row with its log; `undefined` when there never was one. */
  record(row: RecordRow, log: unknown): StoredRecord | undefined {
    const { key, version, state: text, leftMs, baseVersion, logCount } = row;
    if (version === 0) return undefined;
    if (text === null || (leftMs !== null && leftMs <= 0)) return { version, state: undefined };
    const damaged: Damaged = (reason, cause) => this.#damaged(key, reason, cause);
    const base = { state: parseJson(text, damaged), version: baseVersion };
    const state =
      logCount === 0 ? base.state : replay(base, stepsOf(log, logCount, damaged), version, damaged);
    return leftMs === null ? { version, state } : { version, state, leftMs };
  }

  #damaged(key: string, reason: string, cause?: unknown): CorruptStateError {
    const location = `${this.#server}, key ${JSON.stringify(fromAsciiKey(key))}`;
    return new CorruptStateError({ location, reason }, { cause });
  }
}

function stepsOf(log: unknown, count: number, damaged: Damaged): LogStep[] {
  const steps = typeof log === "string" ? parseJson(log, damaged) : [];
  if (!Array.isArray(steps) || steps.length !== count)
    throw damaged(`its log should have ${count} entries`);
  return steps.map((step) => {
    // The statement returns this shape, and `replay` checks each part.
    const [since, version, patches] = step as readonly [number, number, Json];
    return { since, version, patches };
  });
}
