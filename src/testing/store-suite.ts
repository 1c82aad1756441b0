/** The contract of a store as tests, for every implementation and every test runner. */
import { randomUUID } from "node:crypto";
import type { StateStore } from "../stores/contract.ts";
import { simulatedClock } from "./clock.ts";
import { batchCases } from "./suite-batch.ts";
import type { StoreSuiteOptions, SuiteCase, SuiteContext, SuiteSession } from "./suite-case.ts";
import { checkedBatchCases, checkedOwnerCases } from "./suite-check-batch.ts";
import { checkCases } from "./suite-check.ts";
import { dataCases } from "./suite-data.ts";
import { historyCases } from "./suite-history.ts";
import { historyLimitCases } from "./suite-history-limits.ts";
import { listCases } from "./suite-list.ts";
import { ownerCases } from "./suite-owner.ts";
import { timeCases } from "./suite-time.ts";
import { tombstoneCases } from "./suite-tombstone.ts";
import { versionCases } from "./suite-version.ts";
import { watchCases } from "./suite-watch.ts";

/** The two functions that vitest, jest, mocha, bun and node:test all have. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

const GROUPS: readonly (readonly [string, readonly SuiteCase[]])[] = [
  ["versions", versionCases],
  ["batches", batchCases],
  ["checks", [...checkCases, ...checkedBatchCases, ...checkedOwnerCases]],
  ["data", dataCases],
  ["list", listCases],
  ["expiry", timeCases],
  ["tombstones", tombstoneCases],
  ["history", [...historyCases, ...historyLimitCases]],
  ["owners", ownerCases],
  ["watching", watchCases],
];

/** Any time works, if all tests share it: a whole number of seconds. */
const START_MS = 1_700_000_000_000;

function missingNeed(
  options: StoreSuiteOptions,
  store: StateStore,
  claim: SuiteCase,
): string | undefined {
  const { supports } = store;
  const isSole = supports.shared === false;
  return claim.needs?.find((need) => {
    if (need === "reopen") return options.reopen === undefined;
    if (need === "second") return isSole || options.second === undefined;
    if (need === "erase" || need === "pruneHistory") return store[need] === undefined;
    if (need === "sole") return !isSole || options.second === undefined;
    return supports[need] !== true;
  });
}

function openAgain(
  kind: "reopen" | "second",
  options: StoreSuiteOptions,
  context: SuiteContext,
): StateStore | Promise<StateStore> {
  const open = options[kind];
  if (open === undefined) throw new TypeError(`the suite needs the option \`${kind}\``);
  return open.call(options, context);
}

async function runCase(options: StoreSuiteOptions, claim: SuiteCase): Promise<void> {
  const context: SuiteContext = { id: randomUUID(), clock: simulatedClock(START_MS) };
  const opened: StateStore[] = [];
  const keep = async (store: StateStore | Promise<StateStore>): Promise<StateStore> => {
    opened.push(await store);
    return store;
  };
  try {
    const store = await keep(options.create(context));
    const missing = missingNeed(options, store, claim);
    if (missing !== undefined) {
      const say = options.onSkip?.bind(options) ?? console.log;
      say(`${options.name}: skipped "${claim.name}", it needs ${missing}`);
      return;
    }
    const session: SuiteSession = {
      store,
      context,
      reopen: () => keep(openAgain("reopen", options, context)),
      second: () => keep(openAgain("second", options, context)),
      advance: (ms) => options.advance?.(context, ms) ?? context.clock.advance(ms),
    };
    await claim.run(session);
  } finally {
    for (const store of opened) await store.close();
    await options.destroy?.(context);
  }
}

/**
 * Registers the whole suite for one implementation. A claim that needs an operation it lacks prints
 * a line and passes.
 */
export function describeStore(runner: SuiteRunner, options: StoreSuiteOptions): void {
  runner.describe(`${options.name} keeps the store contract`, () => {
    for (const [group, cases] of GROUPS) {
      runner.describe(group, () => {
        for (const claim of cases) runner.it(claim.name, () => runCase(options, claim));
      });
    }
  });
}
