/** K6 and K8: what writing into a wide state and an immer recipe cost. */
import { enablePatches, Immer } from "immer";
import { createScope } from "../subject.ts";
import { atMost, race, type Contender, type Section, type Trial } from "../support.ts";
import { createRecord, createUser, type User } from "./states.ts";

const KEYS = 1_000;
const ITEMS = 10_000;
const ALONE = 300;
const ROUND = 1_000;
const RECIPES = 10_000;

interface Wide {
  readonly record: Readonly<Record<string, number>>;
  readonly list: readonly number[];
}

function wideState(): Wide {
  return {
    record: createRecord(KEYS),
    list: Array.from({ length: ITEMS }, (_, index) => index),
  };
}

/** `isRead`: the state is read after each call, so the next one has to copy the node again. */
function recordTrial(operations: number, isRead: boolean): Trial {
  const scope = createScope<Wide>({ initial: wideState() });
  let sum = 0;
  return {
    run: () => {
      let last: Promise<boolean> | undefined;
      for (let n = 0; n < operations; n++) {
        last = scope.setStateRecord("record", `key${n % KEYS}`, -1 - n);
        if (isRead) sum += scope.state.record[`key${n % KEYS}`] ?? 0;
      }
      return last;
    },
    check: () => {
      const { key0 } = scope.state.record;
      return key0 === -1 && (!isRead || sum === (-operations * (operations + 1)) / 2);
    },
  };
}

function listTrial(operations: number, isRead: boolean): Trial {
  const scope = createScope<Wide>({ initial: wideState() });
  let seen = 0;
  return {
    run: () => {
      let last: Promise<boolean> | undefined;
      for (let n = 0; n < operations; n++) {
        last = scope.pushState("list", n);
        if (isRead) seen += scope.state.list.length - ITEMS;
      }
      return last;
    },
    check: () =>
      scope.state.list.length === ITEMS + operations &&
      (!isRead || seen === (operations * (operations + 1)) / 2),
  };
}

/** K6. */
export async function wideSection(rounds?: number): Promise<Section> {
  const result = await race({
    base: "setStateRecord alone",
    operations: ALONE,
    rounds,
    contenders: [
      { name: "setStateRecord alone", prepare: () => recordTrial(ALONE, true) },
      {
        name: "setStateRecord in a round",
        operations: ROUND,
        prepare: () => recordTrial(ROUND, false),
      },
      { name: "pushState alone", prepare: () => listTrial(ALONE, true) },
      { name: "pushState in a round", operations: ROUND, prepare: () => listTrial(ROUND, false) },
    ],
  });
  const goal = (name: string, limit: number): ReturnType<typeof atMost> =>
    atMost({ id: "K6", work: name }, result.time(name) / 1e3, limit, "µs");
  return {
    title: `K6: one key of a record of ${KEYS}, one more item on a list of ${ITEMS}`,
    notes: [
      "alone: the state is read after each call, so each call copies and freezes the node again;",
      `in a round: ${ROUND} calls before the state is read.`,
    ],
    timings: result.timings,
    goals: [
      goal("setStateRecord alone", 100),
      goal("setStateRecord in a round", 2),
      goal("pushState alone", 100),
      goal("pushState in a round", 2),
    ],
  };
}

enablePatches();

function immerAlone(name: string, autoFreeze: boolean): Contender {
  return {
    name,
    prepare: () => {
      const immer = new Immer({ autoFreeze });
      let state = createUser();
      let patched = 0;
      const done = Promise.resolve();
      return {
        run: async () => {
          for (let n = 1; n <= RECIPES; n++) {
            const [next, patches] = immer.produceWithPatches(state, (draft) => {
              draft.count = n;
              draft.updatedAt = n;
            });
            state = next;
            patched += patches.length;
            await done;
          }
        },
        check: () => state.count === RECIPES && patched === 2 * RECIPES,
      };
    },
  };
}

const updating: Contender = {
  name: "update",
  prepare: () => {
    const scope = createScope<User>({ initial: createUser() });
    return {
      run: async () => {
        for (let n = 1; n <= RECIPES; n++)
          await scope.update((draft) => {
            draft.count = n;
            draft.updatedAt = n;
          });
      },
      check: () => scope.state.count === RECIPES && scope.version === RECIPES,
    };
  },
};

/** K8. */
export async function recipeSection(rounds?: number): Promise<Section> {
  const base = "immer produceWithPatches";
  const result = await race({
    base,
    operations: RECIPES,
    rounds,
    contenders: [immerAlone(base, true), immerAlone("the same, freeze off", false), updating],
  });
  return {
    title: "K8: awaited update(recipe) that sets 2 of 10 fields",
    notes: ["immer alone: produceWithPatches as it comes (auto-freeze on), then one await."],
    timings: result.timings,
    goals: [
      atMost({ id: "K8", work: "update(recipe)" }, result.ratio("update", base), 1.3, "× immer"),
    ],
  };
}
