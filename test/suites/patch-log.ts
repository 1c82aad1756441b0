/**
 * A large record is kept as a base and the patches since. Whatever was written, in whole or as
 * patches, what is read is the state that was written last. It knows no backend.
 */
import * as fc from "fast-check";
import { enablePatches, Immer } from "immer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Json } from "../../actors/protocol.ts";
import type { ScopeWrite, StateStore } from "../../src/stores/contract.ts";
import { characters, propertyRuns } from "../support/state-value.ts";

enablePatches();
const immer = new Immer({ autoFreeze: false });

/** How the suite reaches a store. */
export interface PatchLogStores {
  readonly name: string;
  /** A store on the same data each time. */
  open(): StateStore | Promise<StateStore>;
}

interface Sample {
  /** Decides whether the whole is large. */
  pad: string;
  list: Json[];
  fields: Record<string, Json>;
}

type Step = (draft: Sample) => void;

interface Action {
  readonly steps: readonly Step[];
  /** What is written: the state alone, also the patches, or a tombstone. */
  readonly how: "state" | "patches" | "delete";
  /** Before it, the same is tried at an older version. */
  readonly stale: boolean;
  /** The write goes through the other store object. */
  readonly byOther: boolean;
}

/** Just large enough to be kept apart, so that a few patches outgrow it and are folded. */
const LARGE_CHARS = 8_500;
const ACTIONS_MAX = 14;
/** A run is a dozen commits with a read after each. */
const RUNS = Math.ceil(propertyRuns / 5);
const TIMEOUT_MS = 300_000;

const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 4, unit: characters }) },
  { weight: 1, arbitrary: fc.constantFrom("\ud800", "é€𝄞", "\u0000", "x".repeat(4_000)) },
);
const leaf: fc.Arbitrary<Json> = fc.oneof(
  fc.integer(),
  text,
  fc.constant(null),
  fc.record({ n: fc.nat(9), deep: fc.array(text, { maxLength: 2 }) }),
);
const field = fc.constantFrom("a", "b", "toJSON", "", "0");

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.nat(5), fc.nat(2), leaf).map(([at, drop, value]): Step => {
    return (draft) => void draft.list.splice(at, drop, value);
  }),
  leaf.map(
    (value): Step =>
      (draft) =>
        void draft.list.push(value),
  ),
  fc.nat(3).map((length): Step => {
    return (draft) => void (draft.list.length = Math.min(length, draft.list.length));
  }),
  fc.tuple(field, leaf).map(([name, value]): Step => {
    return (draft) => void (draft.fields[name] = value);
  }),
  field.map((name): Step => {
    return (draft) => {
      // immer takes what a record inherits for its own.
      if (Object.hasOwn(draft.fields, name)) Reflect.deleteProperty(draft.fields, name);
    };
  }),
  fc.constantFrom(0, LARGE_CHARS, LARGE_CHARS, LARGE_CHARS * 3).map((chars): Step => {
    return (draft) => void (draft.pad = "p".repeat(chars));
  }),
);

const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.record({
    steps: fc.array(steps, { minLength: 1, maxLength: 4 }),
    how: fc.oneof(
      { weight: 7, arbitrary: fc.constant("patches" as const) },
      { weight: 2, arbitrary: fc.constant("state" as const) },
      { weight: 1, arbitrary: fc.constant("delete" as const) },
    ),
    stale: fc.boolean(),
    byOther: fc.boolean(),
  }),
  { minLength: 1, maxLength: ACTIONS_MAX },
);

/** Registers the property for one store. */
export function describePatchLog(stores: PatchLogStores): void {
  describe(`the patch log of ${stores.name}`, () => {
    let pair: readonly [StateStore, StateStore] | undefined;
    let runs = 0;
    beforeAll(async () => {
      pair = [await stores.open(), await stores.open()];
    });
    afterAll(async () => {
      for (const store of pair ?? []) await store.close();
    });

    it("reads as the state that was written last", { timeout: TIMEOUT_MS }, async () => {
      const [mine, other] = pair ?? expect.fail("no stores");
      await fc.assert(
        fc.asyncProperty(actions, async (all) => {
          runs += 1;
          await follow({ mine, other, key: `run${runs}` }, all);
        }),
        { numRuns: RUNS },
      );
    });
  });
}

interface Run {
  readonly mine: StateStore;
  readonly other: StateStore;
  readonly key: string;
}

/** Does all actions on a record of its own, and reads it after each. */
async function follow({ mine, other, key }: Run, all: readonly Action[]): Promise<void> {
  let version = 0;
  let state: Json | undefined;
  for (const action of all) {
    const store = action.byOther ? other : mine;
    const write = { key, expectedVersion: version, ...next(state, action), version: version + 1 };
    if (action.stale && version > 0) {
      const [met] = await store.commit([{ ...write, expectedVersion: version - 1, version: 1e6 }]);
      expect(met).toEqual({ ok: false, current: { version, state } });
    }
    expect(await store.commit([write])).toEqual([{ ok: true, version: write.version }]);
    [version, state] = [write.version, write.state];
    for (const reader of [mine, other])
      expect(await reader.load([key])).toEqual([{ version, state }]);
  }
}

/** The state after an action, and the patches to it where they are to be told. */
function next(
  state: Json | undefined,
  { how, steps: changes }: Action,
): Pick<ScopeWrite, "state" | "patches"> {
  if (how === "delete") return { state: undefined };
  // Only this suite writes under its keys.
  const before = (state as unknown as Sample | undefined) ?? fresh();
  const [after, patches] = immer.produceWithPatches(before, (draft) => {
    for (const change of changes) change(draft);
  });
  // The sample holds JSON only.
  const written = after as unknown as Json;
  if (how === "state" || state === undefined || patches.length === 0) return { state: written };
  return { state: written, patches };
}

function fresh(): Sample {
  // JSON.parse makes `__proto__` an own key, as a literal would not.
  const fields = JSON.parse('{"__proto__":1}') as Record<string, Json>;
  return { pad: "p".repeat(LARGE_CHARS), list: [], fields };
}
