/** From rows to records: the replay of a patch log, and how damage is told. */
import { CorruptStateError } from "../../actors/errors.ts";
import { applyPatches } from "../../actors/patches.ts";
import type { Json, Patch } from "../../actors/protocol.ts";
import { fromAsciiKey } from "./ascii-key.ts";
import type { PostgresRow } from "./postgres-driver.ts";
import type { StoredRecord } from "./store.ts";

/** What a row says, before its log is looked at. */
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
    // The user may have changed how the driver gives numbers.
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
    const { key, version, state, leftMs } = row;
    if (version === 0) return undefined;
    if (state === null || (leftMs !== null && leftMs <= 0)) return { version, state: undefined };
    const base = this.#parse(key, state);
    const whole = row.logCount === 0 ? base : this.#replay(row, base, log);
    return leftMs === null ? { version, state: whole } : { version, state: whole, leftMs };
  }

  #replay(row: RecordRow, base: Json, log: unknown): Json {
    const { key, version, baseVersion, logCount } = row;
    const steps = typeof log === "string" ? this.#parse(key, log) : [];
    if (!Array.isArray(steps) || steps.length !== logCount)
      throw this.#damaged(key, `its log should have ${logCount} entries`);
    let state = base;
    let reached = baseVersion;
    for (const step of steps) {
      // The statement makes it so, and each part is checked here.
      const [since, next, patches] = step as unknown as readonly [number, number, Patch[]];
      if (since !== reached) throw this.#damaged(key, `no patch after version ${reached}`);
      state = this.#apply(key, state, patches);
      reached = next;
    }
    if (reached !== version) throw this.#damaged(key, `its log ends at version ${reached}`);
    return state;
  }

  #apply(key: string, state: Json, patches: readonly Patch[]): Json {
    try {
      return applyPatches(state, patches);
    } catch (cause) {
      throw this.#damaged(key, "a patch does not fit the state before it", cause);
    }
  }

  #parse(key: string, text: string): Json {
    try {
      // JSON.parse gives exactly the values of Json.
      return JSON.parse(text) as Json;
    } catch (cause) {
      throw this.#damaged(key, "not JSON", cause);
    }
  }

  #damaged(key: string, reason: string, cause?: unknown): CorruptStateError {
    const location = `${this.#server}, key ${JSON.stringify(fromAsciiKey(key))}`;
    return new CorruptStateError({ location, reason }, { cause });
  }
}
