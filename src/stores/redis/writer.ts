/**
 * The writes and checks of a store: one script each, sent together, retried until each has a
 * result.
 *
 * Invariants
 *  W1  All that a batch needs is computed before its first write is sent; a failure of that is a
 *      failure without effect.
 *  W2  Each write has an operation number, the same for all its retries: one that took effect is
 *      not done again.
 *  W3  Writes of one key run one after another, in their order, and after its checks.
 *  W4  When one write of a batch fails and another took effect, or may have, the batch's outcome is
 *      unknown (T6). The key of the failed write is read before its next batch is sent.
 *  W5  The key of a new record is in the index before the record exists, and the record is made
 *      only in the time that this entry allows (L6 of `index-scripts.ts`). The key of a record that
 *      expires is added once more, so that the sweep checks it.
 */
import {
  CommitUnknownError,
  CorruptStateError,
  StoreUnavailableError,
} from "../../../actors/errors.ts";
import type { Patch } from "../../../actors/protocol.ts";
import { toAsciiKey } from "../shared/ascii-key.ts";
import { isLarge, type LargeKeys } from "../shared/large-records.ts";
import { historyArgs } from "./history.ts";
import { isStoppedInside, judgeRedis, NotSentError, refusal, replyCode } from "./errors.ts";
import type { RedisCalls } from "./calls.ts";
import { recordKeys } from "./keys.ts";
import {
  checkResult,
  isCheck,
  isInDoubt,
  mayBeWritten,
  type Pending,
  type PendingCheck,
  pendingCheck,
  type PendingWrite,
  unknownBecause,
  UNSENT,
  withinTime,
} from "./pending.ts";
import { logEntry, readFound } from "./reader.ts";
import type { Entered, RedisIndex } from "./key-index.ts";
import { COMMIT, redisMs } from "./scripts.ts";
import { forgetAfterMs, type TombstoneRule } from "../shared/tombstones.ts";
import type { RedisReply, RedisRequest } from "./pipeline.ts";
import { reasonOf } from "../shared/retry-until.ts";
import type { ScopeWrite, VersionCheck, WriteResult } from "../contract.ts";
import {
  checkBytes,
  checkWrites,
  conflict,
  patchesOf,
  stateText,
  toJsonText,
  wavesOf,
} from "../shared/writes.ts";

/** The most keys with a damaged record that are remembered. */
const DAMAGED_MAX = 1000;

/** What a writer needs of its store. */
export interface WriterSettings {
  readonly prefix: string;
  /** The channel on which commits are published. */
  readonly channel: string;
  readonly index: RedisIndex;
  readonly tombstones: TombstoneRule;
  readonly server: string;
  readonly owner: string;
  /** How long the server remembers operations; milliseconds. */
  readonly rememberMs: number;
  readonly large: LargeKeys;
  /** The token of the section that runs here for a key, "" for none. */
  readonly tokenOf: (key: string) => string;
  readonly calls: RedisCalls;
  /** Reads these keys; rejects when one cannot be read. */
  readonly look: (keys: readonly string[]) => Promise<unknown>;
}

type Named = Pick<PendingWrite, "write" | "keys" | "operation">;

/** Writes batches; see the header of this file. */
export class RedisWriter {
  readonly #settings: WriterSettings;
  /** Keys whose record could not be read when they were last written. */
  readonly #damaged = new Set<string>();
  #operations = 0;

  constructor(settings: WriterSettings) {
    this.#settings = settings;
  }

  /** Writes all; resolves to the results of the writes, then those of the checks. */
  async commit(
    writes: readonly ScopeWrite[],
    checks: readonly VersionCheck[],
  ): Promise<WriteResult[]> {
    checkWrites(writes, checks);
    await this.#lookAtDamaged([...writes, ...checks]);
    const prepared = writes.map((write) => this.#prepare(write));
    const checked = checks.map((check) => pendingCheck(this.#settings.prefix, check));
    const { until, unconfirmed } = await this.#enterIndex(prepared);
    const written = prepared.map((pending) => withinTime(pending, until));
    try {
      const all: Pending[] = [...checked, ...written];
      for (const wave of wavesOf(all, ({ key }) => key)) await this.#run(wave);
      if (unconfirmed !== undefined) throw unconfirmed;
    } catch (error) {
      throw written.some(mayBeWritten) ? unknownBecause(error) : error;
    }
    return [...written, ...checked].map(({ outcome }) => {
      if (outcome === undefined) throw new CommitUnknownError();
      return outcome;
    });
  }

  async #lookAtDamaged(batch: readonly VersionCheck[]): Promise<void> {
    const keys = batch.map(({ key }) => key).filter((key) => this.#damaged.has(key));
    if (keys.length === 0) return;
    await this.#settings.look(keys);
    for (const key of keys) this.#damaged.delete(key);
  }

  #prepare(write: ScopeWrite): PendingWrite {
    this.#operations += 1;
    const { prefix, large } = this.#settings;
    const operation = this.#operations;
    const keys = recordKeys(prefix, write.key);
    const patches = large.has(keys.head) ? patchesOf(write) : undefined;
    const named = { write, keys, operation };
    const request = patches === undefined ? this.#whole(named) : this.#append(named, patches);
    return { write, keys, operation, key: write.key, request, ...UNSENT };
  }

  #append(named: Named, patches: readonly Patch[]): RedisRequest {
    const { expectedVersion, version } = named.write;
    const entry = logEntry(expectedVersion, version, toJsonText(patches));
    checkBytes(entry, this.#settings.calls.bulkBytesMax);
    return this.#request("p", entry, named);
  }

  /** Reads the state, which may compute it. */
  #whole(named: Named): RedisRequest {
    const text = stateText(named.write);
    if (text === undefined) return this.#request("d", "", named);
    const { head } = named.keys;
    if (isLarge(text)) this.#settings.large.add(head);
    else this.#settings.large.delete(head);
    checkBytes(text, this.#settings.calls.bulkBytesMax);
    // A state that expires is stored apart too: Redis then removes the text by itself.
    const isApart = isLarge(text) || named.write.ttlMs !== undefined;
    return this.#request(isApart ? "a" : "i", text, named);
  }

  #request(
    how: "i" | "a" | "d" | "p",
    text: string,
    { write, keys, operation }: Named,
  ): RedisRequest {
    const { owner, channel, rememberMs, tokenOf, tombstones, calls } = this.#settings;
    const { key, expectedVersion, version, ttlMs } = write;
    // It has no meaning for a record that stays.
    const keptMs = forgetAfterMs(write, true, tombstones) ?? Infinity;
    const versions = [String(expectedVersion), String(version)];
    const ttl = ttlMs === undefined ? "" : redisMs(ttlMs);
    const who = [owner, String(operation), tokenOf(key)];
    const kept = keptMs === Infinity ? "" : redisMs(Math.max(keptMs, 1));
    const notice = [channel, `${owner} ${version} ${toAsciiKey(key)}`];
    const past = how === "d" ? [] : historyArgs(write, calls.bulkBytesMax);
    return {
      script: COMMIT,
      keys: [keys.head, keys.base, keys.log, keys.lease, keys.history],
      args: [how, text, ...versions, ttl, ...who, ...notice, String(rememberMs), kept, "", ...past],
    };
  }

  /**
   * Adds keys to the index. Resolves to until when their records may be made, and to the error of
   * an entry that exists and was not confirmed as the options require.
   */
  async #enterIndex(batch: readonly PendingWrite[]): Promise<Entered> {
    const { index, calls } = this.#settings;
    const keys = batch.filter((pending) => index.lacks(pending)).map(({ key }) => key);
    if (keys.length === 0) return { until: "", unconfirmed: undefined };
    let until = "";
    let unconfirmed: CommitUnknownError | undefined;
    // It changes no record: its failure leaves nothing in doubt.
    await calls.read(async (deadline) => {
      const [reply] = await calls.sendOnce([index.entry(keys)], deadline);
      if (reply === undefined) return;
      if (!("error" in reply)) until = String(reply.value);
      else if (reply.error instanceof CommitUnknownError) unconfirmed = reply.error;
      else throw reply.error;
    });
    index.entered(batch);
    return { until, unconfirmed };
  }

  /** Sends requests of different keys until each has a result. */
  async #run(wave: readonly Pending[]): Promise<void> {
    await this.#settings.calls.write(async (deadline) => {
      let open = wave.filter(({ stage }) => stage !== "closed");
      while (open.length > 0) {
        const replies = await this.#send(open, deadline);
        for (const [at, pending] of open.entries()) this.#settle(pending, replies[at]);
        open = open.filter(({ stage }) => stage === "again");
      }
      const left = wave.filter(({ stage }) => stage === "open");
      // A write that may have taken effect decides the error of the batch.
      const worst = left.find(({ isDoubtful }) => isDoubtful) ?? left[0];
      if (worst !== undefined) throw isCheck(worst) ? notChecked(worst) : worst.failure;
    });
    const failed = wave.find(isInDoubt) ?? wave.find(({ outcome }) => outcome === undefined);
    if (failed !== undefined) throw failed.failure;
  }

  /** Never rejects: a request not sent now may have been sent before, which each write records. */
  async #send(open: readonly Pending[], deadline: number): Promise<RedisReply[]> {
    const requests = open.map(({ request }) => request);
    try {
      return await this.#settings.calls.sendOnce(requests, deadline);
    } catch (error) {
      return open.map(() => ({ error }));
    }
  }

  #settle(pending: Pending, reply: RedisReply | undefined): void {
    pending.stage = "open";
    if (reply === undefined || "error" in reply) {
      this.#fail(pending, reply?.error);
      return;
    }
    try {
      pending.stage = "closed";
      pending.outcome = this.#resultOf(pending, reply.value);
    } catch (error) {
      this.#close(pending, error);
    }
  }

  #fail(pending: Pending, error: unknown): void {
    const verdict = judgeRedis(this.#settings.server)(error);
    pending.failure = error;
    const isUnknown = verdict.kind === "unknown" || error instanceof CommitUnknownError;
    if (!isCheck(pending) && (isUnknown || isStoppedInside(error))) pending.isDoubtful = true;
    if (verdict.kind === "refused") this.#close(pending, verdict.error);
  }

  #close(pending: Pending, error: unknown): void {
    pending.stage = "closed";
    pending.failure = pending.isDoubtful ? unknownBecause(error) : error;
    if (!(error instanceof CorruptStateError)) return;
    if (this.#damaged.size >= DAMAGED_MAX) this.#damaged.clear();
    this.#damaged.add(pending.key);
  }

  #resultOf(pending: Pending, value: unknown): WriteResult | undefined {
    if (isCheck(pending)) return checkResult(pending, value);
    const { write, keys } = pending;
    const { server, large } = this.#settings;
    const [word, more]: readonly unknown[] = Array.isArray(value) ? value : [];
    if (word === "denied") throw refusal(server, "NOPERM", new Error(String(more)));
    if (word === "late")
      throw new StoreUnavailableError(
        `${server} received a new record so late that its key may be out of the index; try again`,
      );
    if (word === "done") return { ok: true, version: write.version };
    if (word === "whole") {
      // Also when it fails: the next batch then fails before anything of it is sent.
      large.delete(keys.head);
      pending.request = this.#whole(pending);
      pending.stage = "again";
      return undefined;
    }
    if (word === "forgotten" && pending.isDoubtful) throw new CommitUnknownError();
    return conflict(readFound(word === "forgotten" ? more : value, keys.head).record);
  }
}

/** Why a check has no result, as an error that leaves nothing in doubt. */
function notChecked({ failure }: PendingCheck): unknown {
  return replyCode(failure) === undefined ? new NotSentError(reasonOf(failure)) : failure;
}
