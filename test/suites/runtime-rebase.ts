/** Checkpoint scopes with several writers: what was answered is made again and stored. */
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CommitUnknownError } from "../../actors/errors.ts";
import { applyPatches } from "../../actors/state/patches.ts";
import type { StateChange } from "../../actors/protocol.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { seededRandom, type Random } from "../../src/testing/random.ts";
import { steer, World, type RuntimeStores, type SteeredStore } from "./runtime-world.ts";
import { gate, rejection, settled, until } from "../support/waiting.ts";

interface Draft {
  readonly n?: number;
  readonly list?: readonly string[];
  readonly keys?: Readonly<Record<string, number>>;
  readonly text?: string;
}

const KINDS = {
  draft: defineKind<Draft>({ durability: "checkpoint", initial: {} }),
  capped: defineKind({
    durability: "checkpoint",
    schema: z.object({ n: z.number().max(100).optional() }),
    initial: {},
  }),
};
const TIMES = 40;
const SEEDS = 3;

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** The changes of a scope, checked as they come: versions rise, patches lead to the state. */
function replayed(scope: Scope<Draft>): { readonly changes: readonly StateChange[] } {
  const changes: StateChange[] = [];
  let state: object = scope.state;
  let { version } = scope;
  scope.subscribe((change) => {
    changes.push(change);
    expect(change.version).toBeGreaterThan(version);
    ({ version } = change);
    state = applyPatches(state, change.patches);
    expect(state).toEqual(scope.state);
  });
  return { changes };
}

/** What all writers together have to leave behind. */
interface Model {
  n: number;
  readonly names: string[];
}

/** One random change that no other one undoes. */
function randomChange(scope: Scope<Draft>, random: Random, model: Model): Promise<boolean> {
  const by = 1 + Math.floor(random() * 9);
  const name = `${model.names.length}`;
  const adds = [
    () => scope.incState({ n: by }),
    () => scope.atomicState(({ n = 0 }) => ({ n: n + by })),
    () => scope.atomicState(async ({ n = 0 }) => Promise.resolve({ n: n + by })),
    () => scope.patchState("n", (n = 0) => n + by),
    () => scope.update((draft) => void (draft.n = (draft.n ?? 0) + by)),
    () => scope.transact((draft) => (draft.n = (draft.n ?? 0) + by) > 0),
  ];
  const names = [
    () => scope.pushState("list", name),
    () => scope.appendState("list", [name]),
    () => scope.setStateRecord("keys", name, 1),
    () => scope.update((draft) => void (draft.list = [...(draft.list ?? []), name])),
  ];
  const isAdding = random() < 0.5;
  if (isAdding) model.n += by;
  else model.names.push(name);
  const choices = isAdding ? adds : names;
  const change = choices[Math.floor(random() * choices.length)];
  if (change === undefined) throw new Error("there is a choice");
  return change();
}

/** Changes a scope at random until all of it is stored. */
async function write(scope: Scope<Draft>, random: Random, model: Model): Promise<void> {
  for (let done = 0; done < TIMES; done += 1) {
    expect(await randomChange(scope, random, model)).toBe(true);
    const pause = random();
    if (pause < 0.3) await endOfTurn();
    else if (pause < 0.33) await scope.flush();
    else if (pause < 0.36) await scope.refresh();
  }
  await scope.flush();
}

/** Lets another writer in before each write of `store` that is made outside an exclusive turn. */
function disturb(store: SteeredStore, intrude: () => Promise<unknown>): { turns: number } {
  const exclusive = store.exclusive?.bind(store);
  const seen = { turns: 0 };
  let inTurn = false;
  Object.assign(store, {
    exclusive: (key: string, ttlMs: number, turn: () => Promise<unknown>) =>
      exclusive?.(key, ttlMs, async () => {
        seen.turns += 1;
        inTurn = true;
        return turn().finally(() => {
          inTurn = false;
        });
      }),
  });
  store.before = async (operation) => {
    if (operation === "commit" && !inTurn) await intrude();
  };
  return seen;
}

/** Claims about checkpoint scopes that several runtimes write. */
export function rebaseCases(stores: RuntimeStores): void {
  describe("a checkpoint scope with several writers", () => {
    async function begin(type: keyof typeof KINDS = "draft", options: RuntimeOptions = {}) {
      const world = new World(stores);
      const store = steer(world.store());
      const mine = world.runtime({ kinds: KINDS, store, watch: false, ...options });
      const theirs = world.runtime({ kinds: KINDS, watch: false });
      const here = await mine.open<Draft>(type, "d");
      const there = await theirs.open<Draft>(type, "d");
      let held = gate();
      /** From now on nothing of here is stored. */
      const hold = () => {
        held = gate();
        store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      };
      /** The other writer changes the record; then what was held goes on. */
      const theyWrite = async (change: (scope: Scope<Draft>) => Promise<unknown>) => {
        await there.refresh();
        await change(there);
        await there.flush();
        held.open();
      };
      const stored = async () => {
        await there.refresh();
        return there.state;
      };
      return { world, store, mine, here, hold, theyWrite, stored };
    }

    it.each([2, 4])("E1 %i runtimes lose nothing of what they answered", async (count) => {
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const random = seededRandom(seed);
        const world = new World(stores);
        const model: Model = { n: 0, names: [] };
        const store = world.store(); // Where only one object may be open, all runtimes share it.
        const runtimes = Array.from({ length: count }, (_, at) =>
          world.runtime({
            kinds: KINDS,
            store: at > 0 && stores.several === true ? world.store() : store,
          }),
        );
        const scopes = await Promise.all(runtimes.map((each) => each.open<Draft>("draft", "d")));
        for (const scope of scopes) replayed(scope);
        await Promise.all(scopes.map((scope) => write(scope, random, model)));
        await Promise.all(scopes.map((scope) => scope.refresh()));
        expect(scopes.map((scope) => scope.state)).toEqual(scopes.map(() => scopes[0]?.state));
        await Promise.all(runtimes.map((runtime) => runtime.close()));
        const { state } = await world.runtime({ kinds: KINDS }).open<Draft>("draft", "d");
        expect(state.n, `seed ${seed}`).toBe(model.n);
        const names = [...(state.list ?? []), ...Object.keys(state.keys ?? {})];
        expect(names.toSorted(), `seed ${seed}`).toEqual(model.names.toSorted());
        expect(world.logger.lines).toEqual([]);
      }
    });

    it("E2 E3 goes to the other's state with one event of a newer version", async () => {
      const { here, hold, theyWrite, stored } = await begin();
      const { changes } = replayed(here);
      await here.incState({ n: 1 });
      await here.flush();
      hold();
      await here.incState({ n: 10 });
      await here.incState({ n: 100 });
      await theyWrite((there) => there.patchState({ text: "theirs" }));
      await here.flush();
      expect(changes.map(({ operation, origin }) => `${operation} ${origin}`)).toEqual([
        "increment local",
        "increment local",
        "increment local",
        "refresh remote",
      ]);
      expect(here.state).toEqual({ n: 111, text: "theirs" });
      expect(await stored()).toEqual(here.state);
    });

    it("E4 is stored though another writer is first each time", async () => {
      const { here, store, theyWrite, stored } = await begin();
      const seen = disturb(store, () => theyWrite((there) => there.pushState("list", "theirs")));
      for (let n = 0; n < 3; n += 1) {
        await here.incState({ n: 1 });
        await here.flush();
      }
      expect(seen.turns).toBe(3);
      const { n, list } = await stored();
      expect(n).toBe(3);
      expect(list?.length).toBeGreaterThanOrEqual(9);
    });

    it("E1 what throws on the other's state is logged, counted and rejects one flush", async () => {
      const { world, here, hold, theyWrite, stored } = await begin();
      const refused = new Error("not enough");
      const spend = (): Promise<boolean> =>
        here.atomicState(({ n = 0 }) => {
          if (n < 5) throw refused;
          return { n: n - 5 };
        });
      await here.patchState({ n: 10 });
      await here.flush();
      hold();
      await spend();
      await here.pushState("list", "mine");
      await theyWrite((there) => there.patchState({ n: 3 }));
      const error = await rejection(here.flush(), "CONCURRENT_MODIFICATION");
      expect(error.cause).toBe(refused);
      await here.flush();
      expect(await stored()).toEqual({ n: 3, list: ["mine"] });
      expect(here.state).toEqual(await stored());
      expect(Reflect.get(here, "checkpointErrors")).toBe(1);
      expect(world.logger.lines).toEqual([
        {
          message: "resolved changes could not be repeated on the state of another writer",
          fields: { scope: here.identity, operations: 1, error: refused },
        },
      ]);
    });

    it("E1 what its schema refuses on the other's state is reported alike", async () => {
      const { here, hold, theyWrite, stored } = await begin("capped");
      hold();
      await here.incState({ n: 60 });
      await theyWrite((there) => there.incState({ n: 60 }));
      const error = await rejection(here.flush(), "CONCURRENT_MODIFICATION");
      expect(error.cause).toMatchObject({ code: "STATE_INVALID" });
      expect([here.state, await stored()]).toEqual([{ n: 60 }, { n: 60 }]);
    });

    it("E1 E6 a runtime that closes stores what it can and rejects with the rest", async () => {
      const { mine, here, hold, theyWrite, stored } = await begin();
      hold();
      await here.incState({ n: 1 });
      await here.atomicState((state) => {
        if (state.text === "theirs") throw new Error("not with them");
        return { text: "mine" };
      });
      const closing = mine.close();
      await theyWrite((there) => there.patchState({ text: "theirs" }));
      await rejection(closing, "CONCURRENT_MODIFICATION");
      expect(await stored()).toEqual({ n: 1, text: "theirs" });
    });

    it("E2 mutations wait while code runs again, in its caller's context, with its limit", async () => {
      const { here, hold, theyWrite, stored } = await begin();
      hold();
      const callers = new AsyncLocalStorage<string>();
      const held = gate();
      const runs: unknown[] = [];
      const slow = callers.run("caller", () =>
        here.atomicState(async ({ n = 0 }, { attempt }) => {
          runs.push([attempt, callers.getStore()]);
          if (attempt === 2) await held.promise;
          return { n: n + 1 };
        }),
      );
      await slow;
      await theyWrite((there) => there.incState({ n: 10 }));
      const flushed = here.flush();
      await until(() => runs.length === 2);
      const later = here.incState({ n: 100 });
      await settled();
      expect(here.state).toEqual({ n: 1 });
      held.open();
      await Promise.all([later, flushed]);
      await here.flush(); // Of a state with `later`, which waited until now.
      expect(runs).toEqual([
        [1, "caller"],
        [2, "caller"],
      ]);
      expect(await stored()).toEqual({ n: 111 });
    });

    it("E1 code runs again without the time limit of its call, which has resolved", async () => {
      const { mine, here, hold, theyWrite, stored } = await begin();
      hold();
      const repeated = gate();
      let isRepeating = false;
      await here.atomicState(
        async ({ n = 0 }, { attempt }) => {
          isRepeating = attempt > 1;
          if (isRepeating) await repeated.promise;
          return { n: n + 1 };
        },
        { timeoutMs: 200 },
      );
      await theyWrite((there) => there.incState({ n: 10 }));
      const flushed = here.flush();
      await until(() => isRepeating);
      // A later deadline of the same clock: that of the call is over, too.
      const other = await mine.open<Draft>("draft", "other");
      const never = new Promise<never>(() => undefined);
      await rejection(
        other.atomicState(() => never, { timeoutMs: 201 }),
        "SCOPE_MUTATION_TIMEOUT",
      );
      repeated.open();
      await flushed;
      expect(await stored()).toEqual({ n: 11 });
    });

    it("E1 code that does not end in time when it runs again is reported", async () => {
      const { here, hold, theyWrite, stored } = await begin("draft", { mutationTimeoutMs: 200 });
      hold();
      const never = new Promise<never>(() => undefined);
      await here.atomicState((_, { attempt }) => (attempt === 1 ? { n: 1 } : never));
      await theyWrite((there) => there.incState({ n: 10 }));
      const error = await rejection(here.flush(), "CONCURRENT_MODIFICATION");
      expect(error.cause).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
      expect(await stored()).toEqual({ n: 10 });
    });

    it("makes a delete again, and nothing that was done before it", async () => {
      const { here, hold, theyWrite, stored } = await begin();
      await here.incState({ n: 1 });
      await here.flush();
      hold();
      await here.incState({ n: 1 });
      expect(await here.delete()).toBe(true);
      await here.patchState({ text: "mine" });
      await theyWrite((there) => there.incState({ n: 10 }));
      await here.flush();
      expect(await stored()).toEqual({ text: "mine" });
      hold();
      await here.delete();
      await theyWrite((there) => there.incState({ n: 10 }));
      await here.flush();
      expect([here.state, await stored()]).toEqual([{}, {}]);
    });

    it("builds on a record that was deleted", async () => {
      const { here, hold, theyWrite, stored } = await begin();
      await here.patchState({ n: 1, text: "mine" });
      await here.flush();
      hold();
      await here.incState({ n: 1 });
      await theyWrite((there) => there.delete());
      await here.flush();
      expect([here.state, await stored()]).toEqual([{ n: 1 }, { n: 1 }]);
    });

    it("G9 runs the recipe of a transaction again for its part", async () => {
      const { mine, here, hold, theyWrite, stored } = await begin();
      const other = await mine.open<Draft>("draft", "other");
      await other.patchState({ n: 5 });
      hold();
      await mine.transaction([other, here], (from, to) => {
        from.n = (from.n ?? 0) - 2;
        to.n = (to.n ?? 0) + 2;
      });
      await theyWrite((there) => there.incState({ n: 10 }));
      await Promise.all([here.flush(), other.flush()]);
      expect(await stored()).toEqual({ n: 12 });
      expect(other.state).toEqual({ n: 3 });
    });

    it("a flush in its own turn does not wait for the next one", async () => {
      const { here, hold, theyWrite, stored } = await begin();
      hold();
      await here.incState({ n: 1 });
      const codes: unknown[] = [];
      await here.atomicState(async ({ n = 0 }, { attempt }) => {
        if (attempt === 1) await theyWrite((there) => there.incState({ n: 10 }));
        if (attempt === 1)
          await here
            .flush()
            .catch((error: unknown) => codes.push(Reflect.get(Object(error), "code")));
        return { n: n + 100 };
      });
      await here.flush();
      expect(codes).toEqual(["REENTRANT_MUTATION"]);
      expect(await stored()).toEqual({ n: 111 });
    });

    it("E5 what may be part of the other's state is not made again, and says so", async () => {
      const { world, here, store, hold, theyWrite, stored } = await begin();
      const inner = world.store();
      const commit = store.commit.bind(store);
      store.commit = async (writes, options) => {
        store.commit = commit;
        await inner.commit(writes, options);
        throw new CommitUnknownError();
      };
      await here.incState({ n: 1 });
      await rejection(here.flush(), "COMMIT_UNKNOWN");
      hold();
      await here.incState({ n: 100 });
      await theyWrite((there) => there.incState({ n: 10 }));
      await rejection(here.flush(), "COMMIT_UNKNOWN");
      await here.flush();
      expect([here.state, await stored()]).toEqual([{ n: 111 }, { n: 111 }]);
      expect(Reflect.get(here, "checkpointErrors")).toBe(2);
    });
  });
}
