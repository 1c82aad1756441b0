/** The context of a case of the store suite, and the helpers that most cases use. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../../actors/protocol.ts";
import { isError } from "../../actors/realm.ts";
import type {
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  WriteResult,
} from "../stores/contract.ts";
import type { SimulatedClock } from "./clock.ts";

/** Passed to the implementor's functions; the same object for all stores of one test. */
export interface SuiteContext {
  /** Different for every test: for a path, a table, a key prefix. */
  readonly id: string;
  /** For stores that take a clock; expiry is tested by advancing it. */
  readonly clock: SimulatedClock;
}

/** How the suite reaches an implementation. */
export interface StoreSuiteOptions {
  readonly name: string;
  /** An empty store. */
  create(context: SuiteContext): StateStore | Promise<StateStore>;
  /** A store on the data of `create`, which was closed before. Needed if the store is durable. */
  reopen?(context: SuiteContext): StateStore | Promise<StateStore>;
  /**
   * One more store on the data of `create`, as in another process. Absent: only one at a time. A
   * store with `supports.shared: false` refuses it, by a throw here or at its first call.
   */
  second?(context: SuiteContext): StateStore | Promise<StateStore>;
  /** Lets `ms` pass for the store; default: advances `context.clock`. */
  advance?(context: SuiteContext, ms: number): Promise<void>;
  /** Removes the data, after the stores were closed. */
  destroy?(context: SuiteContext): void | Promise<void>;
  /** Gets one line for each case that does not apply; default: the console. */
  onSkip?(line: string): void;
}

/** The stores and helpers of a case. Stores it opens are closed after it. */
export interface SuiteSession {
  readonly store: StateStore;
  readonly context: SuiteContext;
  readonly reopen: () => Promise<StateStore>;
  readonly second: () => Promise<StateStore>;
  readonly advance: (ms: number) => Promise<void>;
}

/** What a claim may need. */
export type Need = keyof StoreSupports | "second" | "reopen" | "sole" | "erase" | "pruneHistory";

/** One claim about a store. */
export interface SuiteCase {
  readonly name: string;
  /**
   * What the store must support for the claim to apply; `sole`: that it refuses a second owner,
   * `erase`, `pruneHistory`: the method.
   */
  readonly needs?: readonly Need[];
  run(session: SuiteSession): Promise<void>;
}

/** A write from `expectedVersion` to the next version. */
export function write(
  key: string,
  expectedVersion: number,
  state: Json | undefined,
  more: Partial<ScopeWrite> = {},
): ScopeWrite {
  return { key, expectedVersion, version: expectedVersion + 1, state, ...more };
}

/** Commits one write. */
export async function commitOne(store: StateStore, only: ScopeWrite): Promise<WriteResult> {
  const results = await store.commit([only]);
  assert.equal(results.length, 1, "one write has one result");
  const [result] = results;
  assert.ok(result);
  return result;
}

/** Commits one write that must take effect. */
export async function commitOk(store: StateStore, only: ScopeWrite): Promise<void> {
  assert.deepEqual(await commitOne(store, only), { ok: true, version: only.version });
}

/** Loads one key. */
export async function loadOne(store: StateStore, key: string): Promise<StoredRecord | undefined> {
  const records = await store.load([key]);
  assert.equal(records.length, 1, "one key has one record");
  return records[0];
}

/** Asserts what is stored under `key`; `state: undefined` is a tombstone. */
export async function expectStored(
  store: StateStore,
  key: string,
  version: number,
  state: Json | undefined,
): Promise<void> {
  const record = await loadOne(store, key);
  assert.ok(record, `${JSON.stringify(key)} is stored`);
  assert.deepEqual({ version: record.version, state: record.state }, { version, state });
}

/** Asserts that a result is a conflict with a record of `version` and `state`; 0 means none. */
export function expectConflict(
  result: WriteResult | undefined,
  version: number,
  state: Json | undefined,
): void {
  assert.ok(result && !result.ok, "the write met a conflict");
  const current = result.current;
  if (version === 0) assert.equal(current, undefined);
  else assert.deepEqual({ version: current?.version, state: current?.state }, { version, state });
}

/** All keys that a query lists, in the order listed. */
export async function listAll(
  store: StateStore,
  query?: Parameters<StateStore["list"]>[0],
): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(query)) keys.push(key);
  return keys;
}

/** Asserts a rejection with the code of an error. */
export async function expectCode(work: () => Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(isError(error) && "code" in error);
    assert.equal(error.code, code);
    return true;
  });
}

/** The exclusive sections of a store that declares them. */
export function exclusiveOf(store: StateStore): NonNullable<StateStore["exclusive"]> {
  return (key, ttlMs, section, wait) => {
    if (store.exclusive === undefined) assert.fail("a store that declares `exclusive` has it");
    return store.exclusive(key, ttlMs, section, wait);
  };
}

/** A promise that the caller settles. */
export function handle<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let settle: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle?.(value) };
}

const DRIVE_STEP_MS = 5;
/** What a call under `drive` has at least: so much real time, and so many steps. */
const DRIVE_MS = 20_000;
const DRIVE_STEPS = 2000;

/** Lets simulated and real time pass in small steps until `work` settles. */
export async function drive<T>(session: SuiteSession, work: Promise<T>): Promise<T> {
  const progress = { isSettled: false };
  const mark = (): void => {
    progress.isSettled = true;
  };
  work.then(mark, mark);
  const end = performance.now() + DRIVE_MS;
  const isInTime = (step: number): boolean => step < DRIVE_STEPS || performance.now() < end;
  for (let step = 0; !progress.isSettled && isInTime(step); step += 1) {
    await session.context.clock.advance(DRIVE_STEP_MS);
    await sleep(1);
  }
  assert.ok(progress.isSettled, "the call settled");
  return work;
}

/** How often a claim begins again when the machine was too slow for it. */
const TRIES_MAX = 10;

/** A check of what holds for a time only failed when that time was over: it says nothing. */
class TooLate extends Error {}

/** The time for which something holds, such as a lease. */
export interface Lasting {
  /** Begins the time; by default it begins with the claim. */
  begin(): void;
  /** Runs a check of what holds in that time. */
  holds(check: () => Promise<unknown>): Promise<void>;
  /** The same, of a call that begins the time anew. */
  renews(call: () => Promise<unknown>): Promise<void>;
}

/**
 * Runs a claim about what holds for `limitMs`. A machine may let more real time pass between two
 * calls; when a check then fails, the claim begins again, with other keys.
 */
export async function lasting(
  limitMs: number,
  claim: (time: Lasting, key: string) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    let began = performance.now();
    const holds = async (check: () => Promise<unknown>): Promise<void> => {
      try {
        await check();
      } catch (cause) {
        if (performance.now() < began + limitMs) throw cause;
        throw new TooLate(`${limitMs} ms were over before the check was`, { cause });
      }
    };
    const begin = (): void => {
      began = performance.now();
    };
    const renews = async (call: () => Promise<unknown>): Promise<void> => {
      const now = performance.now();
      await holds(call);
      began = now;
    };
    try {
      await claim({ begin, holds, renews }, `k${tries}`);
      return;
    } catch (error) {
      if (!(error instanceof TooLate) || tries === TRIES_MAX) throw error;
    }
  }
}
