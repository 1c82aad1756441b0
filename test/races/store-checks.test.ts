/**
 * T7: commits and checks of three store objects on the same data, at random and at once, answer as
 * if they had been made one after another. A check that says ok is a read of the newest version.
 */
import { afterAll, describe, expect, it } from "vitest";
import { postgresStore } from "../../src/stores/postgres/store.ts";
import { redisStore } from "../../src/stores/redis/store.ts";
import type {
  ScopeWrite,
  StateStore,
  VersionCheck,
  WriteResult,
} from "../../src/stores/contract.ts";
import {
  checkLinearizable,
  type SequentialModel,
  type TimedOperation,
} from "../../src/testing/linearizable.ts";
import { type Random, seededRandom } from "../../src/testing/random.ts";
import { answersByLoad, checking } from "../support/checking-store.ts";
import { dropTables, findPostgres, freshTable } from "../support/postgres.ts";
import { findRedis, testKeys } from "../support/redis.ts";

const isNightly = process.env["TEST_SCALE"] === "nightly";
const HISTORIES = isNightly ? 500 : 12;
const CALLS = 16;
const OWNERS = 3;
const CALLERS = 2;
const KEYS = ["a", "b", "c"];

type Versions = Readonly<Record<string, number>>;

/** One write or check, or an atomic batch of them. */
interface Input {
  readonly writes: readonly ScopeWrite[];
  readonly checks: readonly VersionCheck[];
}

/** Which version each met; of an atomic batch whether it took effect. */
type Output = readonly (number | "ok")[] | boolean;
type Operation = TimedOperation<Input & { readonly atomic: boolean }, Output>;

const model: SequentialModel<Versions, Operation["input"], Output> = {
  initial: {},
  step(versions, { writes, checks, atomic }) {
    const met = ({ key, expectedVersion }: VersionCheck): number | "ok" => {
      const version = versions[key] ?? 0;
      return version === expectedVersion ? "ok" : version;
    };
    const answers = [...writes, ...checks].map(met);
    const isAll = answers.every((answer) => answer === "ok");
    const takes = atomic ? (isAll ? writes : []) : writes.filter((each) => met(each) === "ok");
    const changed = Object.fromEntries(takes.map(({ key, version }) => [key, version]));
    return { state: { ...versions, ...changed }, output: atomic ? isAll : answers };
  },
  identify: (versions) => KEYS.map((key) => versions[key] ?? 0).join(),
};

function answerOf(result: WriteResult | undefined): number | "ok" {
  if (result === undefined) throw new Error("an answer is missing");
  return result.ok ? "ok" : (result.current?.version ?? 0);
}

/** One caller: it mostly expects what it last saw. */
class Caller {
  readonly #store: StateStore;
  readonly #random: Random;
  readonly #seen = new Map<string, number>();

  constructor(store: StateStore, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  /** Makes one call, which is an operation for each of its parts unless it is atomic. */
  async call(tick: () => number): Promise<Operation[]> {
    const keys = KEYS.filter(() => this.#random() < 0.6);
    const writes: ScopeWrite[] = [];
    const checks: VersionCheck[] = [];
    for (const part of keys.map((key) => this.#expected(key)))
      if (this.#random() < 0.4) writes.push(this.#writeOf(part));
      else checks.push(part);
    const atomic = this.#store.supports.transactions && this.#random() < 0.5;
    const start = tick();
    const results = await this.#store.commit(writes, { atomic, checks });
    const end = tick();
    const all = [...writes, ...checks];
    all.forEach(({ key, expectedVersion }, at) => {
      const answer = answerOf(results[at]);
      const written = writes[at]?.version ?? expectedVersion;
      this.#seen.set(key, answer === "ok" ? written : answer);
    });
    if (atomic) {
      const output = results.every(({ ok }) => ok);
      return [{ input: { writes, checks, atomic }, output, start, end }];
    }
    return all.map((part, at) => {
      const write = writes[at];
      const own =
        write === undefined ? { writes: [], checks: [part] } : { writes: [write], checks: [] };
      return { input: { ...own, atomic }, output: [answerOf(results[at])], start, end };
    });
  }

  #expected(key: string): VersionCheck {
    const isGuess = this.#random() < 0.1;
    return { key, expectedVersion: (this.#seen.get(key) ?? 0) + (isGuess ? 1 : 0) };
  }

  #writeOf({ key, expectedVersion }: VersionCheck): ScopeWrite {
    const version = expectedVersion + 1;
    const state = this.#random() < 0.2 ? undefined : { version };
    return { key, expectedVersion, version, state };
  }
}

async function historyOf(stores: readonly StateStore[], seed: number): Promise<Operation[]> {
  const random = seededRandom(seed);
  let time = 0;
  const tick = (): number => {
    time += 1;
    return time;
  };
  const run = async (caller: Caller): Promise<Operation[]> => {
    const operations: Operation[] = [];
    for (let count = 0; count < CALLS; count += 1) operations.push(...(await caller.call(tick)));
    return operations;
  };
  const callers = stores.flatMap((store) =>
    Array.from({ length: CALLERS }, () => new Caller(store, random)),
  );
  return (await Promise.all(callers.map(run))).flat();
}

/** Runs histories on stores that `open` makes for each; answers the seeds of those that failed. */
async function failedSeeds(
  open: (seed: number) => StateStore[],
  histories: number,
): Promise<number[]> {
  const failed: number[] = [];
  for (let seed = 1; seed <= histories; seed += 1) {
    const stores = open(seed);
    const history = await historyOf(stores, seed);
    if (!checkLinearizable(history, model).ok) failed.push(seed);
    for (const store of stores) await store.close();
  }
  return failed;
}

const owners = <T>(make: () => T): T[] => Array.from({ length: OWNERS }, make);

/** Answers checks from what it first read of a key. */
function forgetful(inner: StateStore): StateStore {
  const copies = new Map<string, Awaited<ReturnType<StateStore["load"]>>[number]>();
  const load: StateStore["load"] = async (keys) => {
    const records = await inner.load(keys);
    return keys.map((key, at) => {
      if (!copies.has(key)) copies.set(key, records[at]);
      return copies.get(key);
    });
  };
  return checking(inner, (checks) => answersByLoad({ ...inner, load }, checks));
}

const redisUrl = await findRedis();
const postgresUrl = await findPostgres();

describe.skipIf(redisUrl === undefined)("commits and checks in Redis", () => {
  const keys = testKeys(redisUrl ?? "redis://none");
  afterAll(() => keys.remove());
  const open = (mark: string) => (): StateStore =>
    redisStore({ url: redisUrl ?? "", keyPrefix: `${keys.prefix}${mark}:`, appendfsync: "no" });

  it("answer in one order", { timeout: 120_000 }, async () => {
    expect(await failedSeeds((seed) => owners(open(`${seed}`)), HISTORIES)).toEqual([]);
  });

  it("of older copies are found out", async () => {
    const stale = (seed: number): StateStore[] =>
      owners(open(`stale${seed}`)).map((store) => forgetful(store));
    expect(await failedSeeds(stale, 3)).not.toEqual([]);
  });
});

describe.skipIf(postgresUrl === undefined)("commits and checks in PostgreSQL", () => {
  const tables: string[] = [];
  afterAll(async () => {
    await dropTables(postgresUrl ?? "", ...tables);
  });

  it("answer in one order, atomic batches among them", { timeout: 120_000 }, async () => {
    const open = (): StateStore[] => {
      const table = freshTable();
      tables.push(table);
      return owners(() => postgresStore({ url: postgresUrl ?? "", table, poolSize: 2 }));
    };
    expect(await failedSeeds(open, HISTORIES)).toEqual([]);
  });
});
