import { describe, expect, it } from "vitest";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import type {
  HistoryRow,
  ScopeWrite,
  StateStore,
  StoredRecord,
} from "../../../src/stores/contract.ts";
import { describeStore } from "../../../src/testing/store-suite.ts";
import type { StoreSuiteOptions } from "../../../src/testing/suite-case.ts";
import { answersByLoad, checking } from "../../support/checking-store.ts";

/**
 * Runs the claims of the suite whose names begin with `only`, all at once; answers the names of
 * those that failed and the lines of the skipped.
 */
async function runSuite(
  options: Omit<StoreSuiteOptions, "name">,
  only = "",
): Promise<{ failed: string[]; skipped: string[] }> {
  const claims: [string, () => Promise<void>][] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  const runner = {
    describe: (_name: string, body: () => void) => body(),
    it: (name: string, body: () => Promise<void>) => claims.push([name, body]),
  };
  describeStore(runner, { name: "mutant", onSkip: (line) => skipped.push(line), ...options });
  const chosen = claims.filter(([name]) => name.startsWith(only));
  expect(chosen).not.toEqual([]);
  await Promise.all(chosen.map(([name, body]) => body().catch(() => failed.push(name))));
  return { failed, skipped };
}

/** A memory store with one rule broken. */
function mutant(change: (inner: StateStore) => Partial<StateStore>): StoreSuiteOptions["create"] {
  return ({ clock }) => {
    const inner = memoryStore({ clock });
    const whole: StateStore = {
      name: "mutant",
      supports: inner.supports,
      load: (keys) => inner.load(keys),
      commit: (writes, options) => inner.commit(writes, options),
      list: (query) => inner.list(query),
      exclusive: (key, ttlMs, turn, wait) => inner.exclusive?.(key, ttlMs, turn, wait) ?? turn(),
      history: async (key, query) => (await inner.history?.(key, query)) ?? [],
      close: () => inner.close(),
    };
    return { ...whole, ...change(inner) };
  };
}

function withoutState(record: StoredRecord | undefined): StoredRecord | undefined {
  return record?.state === undefined ? undefined : record;
}

const patched = (write: ScopeWrite, change: Partial<ScopeWrite>): ScopeWrite => ({
  ...write,
  ...change,
});

const MUTANTS: [string, string, (inner: StateStore) => Partial<StateStore>][] = [
  [
    "forgets tombstones",
    "T3",
    (inner) => ({ load: async (keys) => (await inner.load(keys)).map(withoutState) }),
  ],
  [
    "does not compare versions",
    "T1",
    (inner) => ({
      commit: async (writes) => {
        const found = await inner.load(writes.map((write) => write.key));
        return inner.commit(
          writes.map((write, at) => patched(write, { expectedVersion: found[at]?.version ?? 0 })),
        );
      },
    }),
  ],
  ["ignores atomic", "T4", (inner) => ({ commit: (writes) => inner.commit(writes) })],
  [
    "refuses a batch for one conflict",
    "T4",
    (inner) => ({ commit: (writes) => inner.commit(writes, { atomic: true }) }),
  ],
  [
    "ignores the time to live",
    "a record is there until it expires",
    (inner) => ({
      commit: (writes, options) =>
        inner.commit(
          writes.map(({ key, expectedVersion, version, state }) => ({
            key,
            expectedVersion,
            version,
            state,
          })),
          options,
        ),
    }),
  ],
  ["erases nothing", "T8", () => ({ erase: async (keys) => keys.map(() => true) })],
  [
    "shares what it read",
    "T5",
    (inner) => {
      const shared = new Map<string, StoredRecord | undefined>();
      return {
        async load(keys) {
          const records = await inner.load(keys);
          return records.map((record, at) => {
            const key = `${keys[at]} ${record?.version}`;
            if (!shared.has(key)) shared.set(key, record);
            return shared.get(key);
          });
        },
      };
    },
  ],
  [
    "mixes upper and lower case",
    "every key is its own",
    (inner) => ({ load: (keys) => inner.load(keys.map((key) => key.toLowerCase())) }),
  ],
  ["takes no turn", "sections of one key", () => ({ exclusive: (_key, _ttlMs, turn) => turn() })],
  [
    "ends each wait with a lease",
    "a section waits for a renewed lease",
    (inner) => ({
      exclusive: (key, ttlMs, turn) => inner.exclusive?.(key, ttlMs, turn) ?? turn(),
    }),
  ],
  [
    "loses the rows of a history",
    "T9 rows are returned",
    () => ({ history: () => Promise.resolve([]) }),
  ],
  [
    "returns rows that are not kept",
    "T9 rows beyond a lowered limit",
    (inner) => ({
      history: async (key, query) =>
        (await inner.history?.(key, { ...query, keep: undefined })) ?? [],
    }),
  ],
  [
    "adds rows of refused writes",
    "T9 a refused write adds no row",
    (inner) => {
      const rows: HistoryRow[] = [];
      return {
        commit: (writes, options) => {
          for (const { history } of writes) rows.push(...(history?.add ?? []));
          return inner.commit(writes, options);
        },
        history: () => Promise.resolve(rows.toReversed()),
      };
    },
  ],
  ["stays open", "closing waits", () => ({ close: () => Promise.resolve() })],
];

const CHECK_MUTANTS: [string, string, (inner: StateStore) => StateStore][] = [
  [
    "confirms whatever is asked",
    "T7 a check is ok exactly",
    (inner) =>
      checking(inner, async (checks) =>
        checks.map(({ expectedVersion: version }) => ({ ok: true, version })),
      ),
  ],
  [
    "answers checks from an older copy",
    "T7 a check is ok exactly",
    (inner) => {
      const copies = new Map<string, StoredRecord | undefined>();
      const load: StateStore["load"] = async (keys) => {
        const records = await inner.load(keys);
        records.forEach((record, at) => {
          const key = keys[at] ?? "";
          if (!copies.has(key)) copies.set(key, record);
        });
        return keys.map((key) => copies.get(key));
      };
      return checking(inner, (checks) => answersByLoad({ ...inner, load }, checks));
    },
  ],
  [
    "takes a tombstone for what never was",
    "T3 a deleted record keeps",
    (inner) => {
      const load: StateStore["load"] = async (keys) => (await inner.load(keys)).map(withoutState);
      return checking(inner, (checks) => answersByLoad({ ...inner, load }, checks));
    },
  ],
  [
    "answers checks before writes",
    "T4 results of checks follow",
    (inner) => ({
      ...checking(inner),
      commit: async (writes, { checks = [] } = {}) => {
        const answers = await answersByLoad(inner, checks);
        return [...answers, ...(await inner.commit(writes))];
      },
    }),
  ],
  [
    "asks checks after the writes",
    "T7 a check and a write of one key",
    (inner) => ({
      ...checking(inner),
      commit: async (writes, { checks = [] } = {}) => {
        const results = await inner.commit(writes);
        return [...results, ...(await answersByLoad(inner, checks))];
      },
    }),
  ],
  [
    "writes an atomic batch in spite of a check that failed",
    "T4 a check that fails prevents",
    (inner) => ({
      ...checking(inner),
      supports: { ...inner.supports, checks: true },
      commit: async (writes, { atomic = false, checks = [] } = {}) => {
        const answers = await answersByLoad(inner, checks);
        return [...(await inner.commit(writes, { atomic })), ...answers];
      },
    }),
  ],
];

describe("describeStore", () => {
  it("passes a store that keeps the contract, and says what it skipped", async () => {
    const { failed, skipped } = await runSuite({ create: mutant(() => ({})) });
    expect(failed).toEqual([]);
    expect(skipped).toContain(
      'mutant: skipped "P8 two stores on the same data see each other\'s writes and lose none", ' +
        "it needs second",
    );
  });

  it.each(MUTANTS)("finds out a store that %s", async (_name, claim, change) => {
    const { failed } = await runSuite({ create: mutant(change) }, claim);
    expect(failed).not.toEqual([]);
  });

  it("passes a store that answers checks", async () => {
    const create: StoreSuiteOptions["create"] = ({ clock }) => checking(memoryStore({ clock }));
    const { failed, skipped } = await runSuite({ create });
    expect(failed).toEqual([]);
    expect(skipped.filter((line) => line.endsWith("needs checks"))).toEqual([]);
  });

  it.each(CHECK_MUTANTS)("finds out a store that %s", async (_name, claim, change) => {
    const create: StoreSuiteOptions["create"] = ({ clock }) => change(memoryStore({ clock }));
    const { failed } = await runSuite({ create }, claim);
    expect(failed).not.toEqual([]);
  });

  it("finds out a store that says it has one owner and lets a second in", async () => {
    const create: StoreSuiteOptions["create"] = ({ clock }) => {
      const inner = checking(memoryStore({ clock }));
      return { ...inner, supports: { ...inner.supports, shared: false } };
    };
    const { failed } = await runSuite({ create, second: create });
    expect(failed).toEqual(["a store that declares one owner refuses a second"]);
  });
});
