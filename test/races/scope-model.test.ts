/**
 * Random operations of several callers against a sequential model: the state is what doing them one
 * after another gives, whatever the store does meanwhile.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommitUnknownError, isHoldfastError } from "../../actors/errors.ts";
import { applyPatches } from "../../actors/state/patches.ts";
import type { StateChange } from "../../actors/protocol.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import { createScope, type Scope } from "../../src/runtime/scope.ts";
import { tableBridge, type SeenSave, type TableBridge } from "../support/table-bridge.ts";

const RUNS = process.env["TEST_SCALE"] === "nightly" ? 100_000 : 2_000;

interface Bag {
  n: number;
  list: number[];
  map: Record<string, number>;
  x?: number;
}

interface Operation {
  readonly kind: keyof typeof kinds;
  readonly key: string;
  readonly by: number;
}

/** What one kind of operation does, done alone, and how it is asked of a scope. */
interface Kind {
  /** `undefined` = it throws. */
  readonly model: (state: Bag, operation: Operation) => Bag | undefined;
  readonly run: (scope: Scope<Bag>, operation: Operation) => Promise<boolean>;
}

const added = (state: Bag, { by }: Operation): Bag => ({ ...state, n: state.n + by });

const kinds = {
  inc: { model: added, run: (scope, { by }) => scope.incState({ n: by }) },
  atomic: { model: added, run: (scope, { by }) => scope.atomicState(({ n }) => ({ n: n + by })) },
  update: {
    model: added,
    run: (scope, { by }) => scope.update((draft) => void (draft.n += by)),
  },
  slow: {
    model: added,
    run: (scope, { by }) =>
      scope.atomicState(async ({ n }) => {
        await Promise.resolve();
        return { n: n + by };
      }),
  },
  push: {
    model: (state, { by }) => ({ ...state, list: [...state.list, by] }),
    run: (scope, { by }) => scope.pushState("list", by),
  },
  patch: {
    model: (state, { by }) => ({ ...state, x: by }),
    run: (scope, { by }) => scope.patchState({ x: by }),
  },
  keyed: {
    model: (state, { by }) => ({ ...state, n: by }),
    run: (scope, { by }) => scope.patchState("n", () => by),
  },
  set: {
    model: (_, { by }) => ({ n: by, list: [], map: {} }),
    run: (scope, { by }) => scope.setState({ n: by, list: [], map: {} }),
  },
  setKey: {
    model: (state, { key, by }) => ({ ...state, map: { ...state.map, [key]: by } }),
    run: (scope, { key, by }) => scope.setStateRecord("map", key, by),
  },
  deleteKey: {
    model: (state, { key }) => ({
      ...state,
      map: Object.fromEntries(Object.entries(state.map).filter(([each]) => each !== key)),
    }),
    run: (scope, { key }) => scope.deleteStateRecord("map", key),
  },
  throws: {
    model: () => undefined,
    run: (scope) =>
      scope.atomicState(() => {
        throw new TypeError("asked to");
      }),
  },
} satisfies Record<string, Kind>;

function model(state: Bag, operation: Operation): Bag | undefined {
  return kinds[operation.kind].model(state, operation);
}

function run(scope: Scope<Bag>, operation: Operation): Promise<boolean> {
  return kinds[operation.kind].run(scope, operation);
}

/** What the store does with one save. */
type Fate = "ok" | "slow" | "conflict" | "throw" | "unknown-stored" | "unknown-lost";

const operation: fc.Arbitrary<Operation> = fc.record({
  // The names are the keys of the table just above.
  kind: fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])),
  key: fc.constantFrom("a", "__proto__", "constructor"),
  by: fc.integer({ min: 0, max: 2 }),
});
/** Bursts of operations: what is in one burst is not awaited in between. */
const bursts = fc.array(fc.array(operation, { minLength: 1, maxLength: 6 }), { maxLength: 6 });
const fates = fc.array(
  fc.constantFrom<Fate>("ok", "slow", "conflict", "throw", "unknown-stored", "unknown-lost"),
  { maxLength: 12 },
);

/** Another writer adds 1,000 to `n`. */
function disturb(bridge: TableBridge<Bag>): void {
  const present = bridge.stored?.state ?? initial;
  bridge.write({ ...present, n: present.n + 1_000 });
}

/** Stores what a save brings although its answer gets lost. */
function storeUnseen(bridge: TableBridge<Bag>, { next, expected, commit }: SeenSave<Bag>): void {
  if (next === undefined || commit === undefined) return;
  if ((bridge.stored?.version ?? 0) === expected)
    bridge.stored = { state: next, version: commit.version };
}

/** Lets the store meet one fate after the other, then none. */
function meet(bridge: TableBridge<Bag>, list: readonly Fate[]): void {
  bridge.plan = async (save, count) => {
    const fate = list[count - 1] ?? "ok";
    if (fate === "slow") for (let tick = 0; tick < count; tick++) await Promise.resolve();
    if (fate === "throw") throw new TypeError("store is down");
    if (fate === "conflict") disturb(bridge);
    if (fate === "unknown-stored") storeUnseen(bridge, save);
    if (fate.startsWith("unknown")) throw new CommitUnknownError();
    return undefined;
  };
}

const initial: Bag = { n: 0, list: [], map: {} };
const hasKey = (patch: object): boolean => Object.hasOwn(patch, "path");

function checkEvents(
  events: readonly StateChange[],
  last: DeepReadonly<Bag>,
  version: number,
): void {
  let state: unknown = initial;
  let at = 0;
  for (const change of events) {
    const before = state;
    state = applyPatches(state, change.patches);
    expect(applyPatches(state, change.inversePatches)).toEqual(before);
    expect(change.patches.every(hasKey)).toBe(true);
    if (change.origin === "local") expect(change.version).toBe(at + 1);
    else expect(change.version).toBeGreaterThanOrEqual(at);
    at = change.version;
  }
  expect(state).toEqual(last);
  expect(at).toBe(version);
}

describe("a scope against a sequential model", { timeout: 3_600_000 }, () => {
  it(`in memory: answers, state, versions, events, patches (${RUNS} runs)`, async () => {
    await fc.assert(
      fc.asyncProperty(bursts, async (list) => {
        const scope = createScope<Bag>({ initial });
        const events: StateChange[] = [];
        scope.subscribe((change) => void events.push(change));
        let expected = initial;
        let version = 0;
        for (const burst of list) {
          const answers = await Promise.allSettled(burst.map((each) => run(scope, each)));
          burst.forEach((each, index) => {
            const next = model(expected, each);
            const changed = next !== undefined && differs(next, expected);
            if (changed) version += 1;
            expect(answers[index]).toMatchObject(
              next === undefined ? { status: "rejected" } : { value: changed },
            );
            expected = next ?? expected;
          });
        }
        expect(scope.state).toEqual(expected);
        expect(scope.version).toBe(version);
        checkEvents(events, expected, version);
      }),
      { numRuns: RUNS },
    );
  });

  it(`on a store that conflicts, throws and forgets to answer (${RUNS} runs)`, async () => {
    await fc.assert(
      fc.asyncProperty(bursts, fates, async (list, plan) => {
        const bridge = tableBridge<Bag>();
        const scope = createScope<Bag>({
          initial,
          persist: bridge,
          cas: { baseDelayMs: 0, maxRetries: 2 },
          clock: microtaskClock,
        });
        const events: StateChange[] = [];
        scope.subscribe((change) => void events.push(change));
        meet(bridge, plan);
        let confirmed = 0;
        for (const burst of list) {
          const answers = await Promise.allSettled(burst.map((each) => run(scope, each)));
          for (const answer of answers) {
            if (answer.status === "fulfilled") confirmed += answer.value ? 1 : 0;
            else expect(isExpected(answer.reason)).toBe(true);
          }
        }
        await scope.refresh();
        expect(bridge.stored?.state ?? initial).toEqual(scope.state);
        expect(bridge.stored?.version ?? 0).toBe(scope.version);
        expect(events.filter(({ origin }) => origin === "local")).toHaveLength(confirmed);
        checkEvents(events, scope.state, scope.version);
      }),
      { numRuns: RUNS },
    );
  });
});

function differs(one: Bag, other: Bag): boolean {
  const text = (bag: Bag): string =>
    JSON.stringify([
      bag.n,
      bag.list,
      Object.entries(bag.map).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      Object.hasOwn(bag, "x"),
      bag.x,
    ]);
  return text(one) !== text(other);
}

function isExpected(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  return (
    isHoldfastError(error, "COMMIT_UNKNOWN") || isHoldfastError(error, "CONCURRENT_MODIFICATION")
  );
}

/** No time passes in these runs: a timer of 0 ms is due at the next turn of the loop. */
const microtaskClock = {
  now: () => 0,
  setTimeout: (callback: () => void, delayMs: number): unknown =>
    delayMs > 0 ? null : queueMicrotask(callback),
  clearTimeout: () => undefined,
};
