/**
 * Lifts the stored records of a kind to its version, as a load and the next save would.
 *
 * Invariants
 *  L1  A record is written at most once, over the version that was read, and only when the version
 *      of its kind is lower: a current or newer record is not written. So another run does the rest
 *      of the work, wherever the last one ended, also while programs write.
 *  L2  A record that cannot be lifted, or whose lifted state the schema refuses, is not written.
 *  L3  What the record has beside its state stays: its keys of `once` and its remaining time, which
 *      only `livesUntil` of the kind decides anew. Where the kind keeps a history, the lift is one
 *      row without patches, which has the state before it as it was stored.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { Json, ScopeIdentity } from "../../actors/protocol.ts";
import { isError } from "../../actors/realm.ts";
import { storedState } from "../../actors/scope/options.ts";
import { isRefused, refusedAt, retry, type SaveStep } from "../../actors/scope/retry.ts";
import { keepOf } from "../runtime/history-rule.ts";
import { lift, type VersionedState } from "../runtime/kind-versions.ts";
import type { ResolvedKind } from "../runtime/kinds.ts";
import { leftToLive } from "../runtime/life.ts";
import { encodeRows } from "../runtime/persistence/history-codec.ts";
import { decodeRecord, encodeRecord } from "../runtime/persistence/record-envelope.ts";
import { decodeKey, keyPrefix } from "../runtime/scope-key.ts";
import type { ScopeWrite, StateStore, StoredRecord } from "../stores/contract.ts";
import { keyGroups } from "./transfer.ts";

/** What became of the records of a kind. */
export interface LiftCounts {
  read: number;
  /** Lifted now, or by a run that writes. */
  lifted: number;
  /** Of the version of the kind already. */
  current: number;
  /** Of a version that the module does not know yet. */
  newer: number;
  failed: number;
}

/** A record that was not lifted. */
export interface LiftFailure extends ScopeIdentity {
  /** Of the record. */
  readonly version: number;
  readonly reason: string;
}

/** How a kind is lifted. */
export interface LiftWork {
  readonly store: StateStore;
  readonly namespace: string;
  /** Records in memory at once. */
  readonly batch: number;
  /** False: count only. */
  readonly isWriting: boolean;
  readonly failed: (failure: LiftFailure) => void;
  /** Called with the number of records that are done. */
  readonly done: (count: number) => void;
}

/** Most saves of one record that meet those of programs, and the longest wait between two. */
const RETRIES = { maxRetries: 10, maxDelayMs: 100 };

type Outcome = "lifted" | "current" | "newer" | "failed" | "gone";

/** A state, and what it was lifted from. */
interface Lifted {
  readonly state: object;
  readonly unlifted: VersionedState;
}

/** A record as it was read, or why it could not be read. */
export type Read = StoredRecord | Error | undefined;

/** Lifts all records of a kind; see the head of this file. */
export async function liftRecords(kind: ResolvedKind, work: LiftWork): Promise<LiftCounts> {
  const { store, namespace, batch, done } = work;
  const counts = { read: 0, lifted: 0, current: 0, newer: 0, failed: 0 };
  const prefix = keyPrefix(namespace, kind.type);
  for await (const keys of keyGroups(store, { prefix, batch })) {
    for (const outcome of await new LiftedGroup(kind, work).lift(keys)) {
      if (outcome === "gone") continue; // Deleted or expired since it was listed.
      counts.read += 1;
      counts[outcome] += 1;
    }
    done(keys.length);
  }
  return counts;
}

/** One group of keys. */
class LiftedGroup {
  readonly #kind: ResolvedKind;
  readonly #work: LiftWork;

  constructor(kind: ResolvedKind, work: LiftWork) {
    this.#kind = kind;
    this.#work = work;
  }

  async lift(keys: readonly string[]): Promise<Outcome[]> {
    const { store, isWriting } = this.#work;
    const records = await loadEach(store, keys);
    const plans = keys.map((key, at) => this.#plan(key, records[at]));
    if (!isWriting) return plans.map((plan) => (typeof plan === "string" ? plan : "lifted"));
    const writes = plans.filter((plan) => typeof plan !== "string");
    const results = (writes.length === 0 ? [] : await store.commit(writes)).values();
    return Promise.all(
      plans.map(async (plan) => {
        if (typeof plan === "string") return plan;
        const result = results.next().value;
        if (result?.ok === true) return "lifted";
        return this.#again(
          plan.key,
          refusedAt(plan.expectedVersion, result?.current?.version ?? 0),
        );
      }),
    );
  }

  /** Reads and lifts a record anew that another program has written. */
  async #again(key: string, first: SaveStep): Promise<Outcome> {
    const { store } = this.#work;
    const { settings } = this.#kind;
    let [outcome, version]: [Outcome, number] = ["failed", 0];
    const last = await retry({
      cas: { ...settings.cas, ...RETRIES },
      clock: settings.clock,
      random: settings.random,
      first,
      attempt: async () => {
        const [record] = await loadEach(store, [key]);
        const plan = this.#plan(key, record);
        outcome = typeof plan === "string" ? plan : "lifted";
        if (typeof plan === "string") return "empty";
        version = plan.expectedVersion;
        const [result] = await store.commit([plan]);
        if (result?.ok === true) return "saved";
        return refusedAt(version, result?.current?.version ?? 0);
      },
    });
    if (!isRefused(last)) return outcome;
    return this.#failed(key, version, "programs write it all the time");
  }

  /** The write of a record, or why there is none. */
  #plan(key: string, record: Read): ScopeWrite | Outcome {
    if (isError(record)) return this.#failed(key, 0, record.message);
    if (record?.state === undefined) return "gone";
    const { versions } = this.#kind;
    try {
      const found = decodeRecord(record.state);
      if (found.kindVersion === versions.version) return "current";
      if (found.kindVersion > versions.version) return "newer";
      const scope = this.#identity(key);
      const state = storedState(lift(versions, found, scope), { ...this.#kind, identity: scope });
      return this.#write(key, record, { state, unlifted: found });
    } catch (error) {
      return this.#failed(key, record.version, isError(error) ? error.message : String(error));
    }
  }

  #write(key: string, { version: since, leftMs }: StoredRecord, lifted: Lifted): ScopeWrite {
    const { state, unlifted } = lifted;
    const { livesUntil, history, tombstoneMs, versions, settings } = this.#kind;
    const now = settings.clock.now();
    const version = since + 1;
    const ttlMs = livesUntil === undefined ? leftMs : leftToLive(this.#kind, state, now);
    const write = { key, expectedVersion: since, version, tombstoneMs };
    if (ttlMs === 0) return { ...write, state: undefined };
    const json: Json = encodeRecord(state, versions.version);
    if (history === null) return { ...write, state: json, ttlMs };
    const change = {
      version,
      since,
      operation: "migrate",
      patches: [],
      inversePatches: [],
    } as const;
    const rows = [{ ...change, timestamp: now }];
    const add = encodeRows(rows, state, { limits: history, kind: versions.version, unlifted });
    return { ...write, state: json, ttlMs, history: { add, keep: keepOf(history, now) } };
  }

  #identity(key: string): ScopeIdentity {
    return { type: this.#kind.type, id: decodeKey(key)?.id ?? key };
  }

  #failed(key: string, version: number, reason: string): "failed" {
    this.#work.failed({ ...this.#identity(key), version, reason });
    return "failed";
  }
}

/** Loads records; a damaged one costs only itself. */
export async function loadEach(store: StateStore, keys: readonly string[]): Promise<Read[]> {
  try {
    return await store.load(keys);
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_STATE")) throw error;
    if (keys.length === 1) return [error];
    const each = await Promise.all(keys.map((key) => loadEach(store, [key])));
    return each.flat();
  }
}
