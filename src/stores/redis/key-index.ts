/**
 * The index of a store's keys, and `due`: the keys to check because their record may have expired.
 * The invariant is L6 of `index-scripts.ts`.
 */
import { hostClock } from "../../../actors/time/clock.ts";
import type { CommitUnknownError } from "../../../actors/errors.ts";
import { fromAsciiKey, toAsciiKey } from "../shared/ascii-key.ts";
import { DUE, INDEX, LAST_PAGE, LEFT, PAGE, SEEN, SETTLE } from "./index-scripts.ts";
import type { PageRange } from "../shared/key-pages.ts";
import { LargeKeys } from "../shared/large-records.ts";
import { recordKeys } from "./keys.ts";
import type { PendingWrite } from "./pending.ts";
import type { RedisRequest } from "./pipeline.ts";
import { redisMs } from "./scripts.ts";

/** The most keys that are checked in one batch of a sweep. */
const SWEPT_AT_ONCE = 256;
/** The largest difference between the clocks of a Cluster's nodes; milliseconds. */
const SKEW_MS = 10_000;

/** What an index needs. */
export interface IndexSettings {
  readonly prefix: string;
  /** The client's own prefix of every key. */
  readonly clientPrefix: string;
  /** How long after its index entry a record may be made; milliseconds. */
  readonly graceMs: number;
  /** True when records and index may have different servers. */
  readonly isCluster: boolean;
  /** Values of requests that change no record. */
  readonly ask: (requests: readonly RedisRequest[]) => Promise<unknown[]>;
}

/** The result of adding keys to the index. */
export interface Entered {
  /** Until when their records may be made, as the script takes it; "" when none was added. */
  readonly until: string;
  /** The error of an entry that exists and was not confirmed as the options require. */
  readonly unconfirmed: CommitUnknownError | undefined;
}

/** What came of erasing keys, in their order. */
export interface Erased {
  /** The result of `seen` before it. */
  readonly seen: readonly string[];
  /** Whether there was a record. */
  readonly erased: readonly boolean[];
}

/** The index of one store; see the header of this file. */
export class RedisIndex {
  readonly #settings: IndexSettings;
  readonly #keys: readonly [index: string, due: string];
  /** Keys that expire and are in `due`, as far as is known here. */
  readonly #mortal = new LargeKeys();

  constructor(settings: IndexSettings) {
    const { prefix, clientPrefix } = settings;
    this.#settings = settings;
    // Both in one slot: the braces contain the whole name of the first.
    this.#keys = [`${prefix}index`, `${prefix}index:due{${clientPrefix}${prefix}index}`];
  }

  /** True for a write before which its key must be added. */
  lacks({ write, request }: PendingWrite): boolean {
    if (write.ttlMs === undefined) this.#mortal.delete(write.key);
    if (write.expectedVersion === 0 || request.args[0] === "d") return true;
    return write.ttlMs !== undefined && !this.#mortal.has(write.key);
  }

  /** Adds keys; its reply is until when their records may be made. */
  entry(keys: readonly string[]): RedisRequest {
    const members = [...new Set(keys.map((key) => toAsciiKey(key)))];
    const args = [redisMs(this.#settings.graceMs), ...members];
    return { script: INDEX, keys: this.#keys, args };
  }

  /** Notes which keys were added. */
  entered(batch: readonly PendingWrite[]): void {
    for (const { write } of batch) if (write.ttlMs !== undefined) this.#mortal.add(write.key);
  }

  /** A page of encoded keys. */
  async page({ from, side, end, count }: PageRange): Promise<string[]> {
    const ends = [`${side === "after" ? "(" : "["}${from}`, `(${end}`];
    const [script, range] = side === "last" ? [LAST_PAGE, ends.toReversed()] : [PAGE, ends];
    const args = [...range, String(count)];
    const [members] = await this.#settings.ask([{ script, keys: [this.#keys[0]], args }]);
    return Array.isArray(members) ? members.map(String) : [];
  }

  /** Removes some keys without a record; resolves to when the next must be checked. */
  async sweep(): Promise<number> {
    const { ask, isCluster } = this.#settings;
    const args = [isCluster ? String(SKEW_MS) : "0", String(SWEPT_AT_ONCE)];
    const [reply] = await ask([{ script: DUE, keys: [this.#keys[1]], args }]);
    const found = Array.isArray(reply) ? reply.map(String) : [];
    const nextMs = found.length % 2 === 1 ? Number(found.pop()) : Infinity;
    const members = found.filter((_, at) => at % 2 === 0);
    await this.#settle(members, (at) => found[2 * at + 1] ?? "");
    return members.length === SWEPT_AT_ONCE ? -Infinity : hostClock.now() + nextMs;
  }

  /** When each key was added, for `erased`. */
  async seen(keys: readonly string[]): Promise<string[]> {
    if (keys.length === 0) return [];
    const args = keys.map((key) => toAsciiKey(key));
    const [times] = await this.#settings.ask([{ script: SEEN, keys: [this.#keys[1]], args }]);
    return Array.isArray(times) ? times.map(String) : [];
  }

  /**
   * Removes keys whose record was erased, unless they were added again since `seen`. If there was
   * no record, one may be under way: its key stays until `sweep` finds no record.
   */
  async erased(keys: readonly string[], { seen, erased }: Erased): Promise<void> {
    for (const key of keys) this.#mortal.delete(key);
    const gone = keys.flatMap((key, at) => {
      const time = seen[at] ?? "";
      return erased[at] === true || time === "" ? [{ member: toAsciiKey(key), time }] : [];
    });
    await this.#settle(
      gone.map(({ member }) => member),
      (at) => gone[at]?.time ?? "",
    );
  }

  /** Checks records, and keeps or removes their keys if `due` has the same time for them still. */
  async #settle(members: readonly string[], seen: (at: number) => string): Promise<void> {
    if (members.length === 0) return;
    const { ask, prefix } = this.#settings;
    const left = await ask(
      members.map((member): RedisRequest => {
        const { head } = recordKeys(prefix, fromAsciiKey(member));
        return { script: LEFT, keys: [head], args: [], isRead: true };
      }),
    );
    const args = members.flatMap((member, at) => [member, seen(at), String(left[at])]);
    await ask([{ script: SETTLE, keys: this.#keys, args }]);
  }
}
