import { describe, expect, it } from "vitest";
import { memoryStore } from "../../../src/stores/memory.ts";
import type { ScopeWrite, StateStore, StoredRecord } from "../../../src/stores/store.ts";
import { describeStore } from "../../../src/testing/store-suite.ts";
import type { StoreSuiteOptions } from "../../../src/testing/suite-case.ts";

/** Runs the suite by hand; answers the names of the claims that failed and the lines of the skipped. */
async function runSuite(
  options: Omit<StoreSuiteOptions, "name">,
): Promise<{ failed: string[]; skipped: string[] }> {
  const claims: [string, () => Promise<void>][] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  const runner = {
    describe: (_name: string, body: () => void) => body(),
    it: (name: string, body: () => Promise<void>) => claims.push([name, body]),
  };
  describeStore(runner, { name: "mutant", onSkip: (line) => skipped.push(line), ...options });
  for (const [name, body] of claims) await body().catch(() => failed.push(name));
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
      exclusive: (key, ttlMs, turn) => inner.exclusive?.(key, ttlMs, turn) ?? turn(),
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
    "a record lives until",
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
  ["takes no turn", "turns of one key", () => ({ exclusive: (_key, _ttlMs, turn) => turn() })],
  ["stays open", "closing waits", () => ({ close: () => Promise.resolve() })],
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
    const { failed } = await runSuite({ create: mutant(change) });
    expect(failed.filter((name) => name.startsWith(claim))).not.toEqual([]);
  });
});
