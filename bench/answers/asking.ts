/**
 * Ways to find out that nothing changed, as contenders of a race.
 *
 * The result is checked twice after the clock stopped. Nothing had changed: each answer says so, and
 * another runtime on a store of its own reads the versions that were there before. Then that
 * runtime writes every record, and each way that looks at the store has to notice it; one that
 * answers from memory must not, or it would not be the one it says it is.
 */
import type { Scope } from "../../src/runtime/scope.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { createPlace } from "../contention/place.ts";
import { storeAt, type Site, type StoreName } from "../contention/site.ts";
import { createUser, type User } from "../micro/states.ts";
import { createRuntime, defineKind } from "../subject.ts";
import type { Contender } from "../support.ts";
import { connect, keyOf, type Connected } from "./connected.ts";

/** Asks about the record of an index, or all of them in one call: has it moved? */
export interface Asking {
  readonly one: (index: number) => Promise<boolean>;
  readonly all?: () => Promise<boolean[]>;
  readonly close?: () => Promise<void>;
}

/** What a way is made from. */
interface Ground {
  readonly connected: Connected;
  readonly ids: readonly string[];
}

/** A way to find out; it begins when every record has version 1. */
export interface Way {
  readonly name: string;
  readonly looks: boolean;
  readonly begin: (ground: Ground) => Promise<Asking>;
}

/** The version read by the bare driver, and compared. */
export const bareRead: Way = {
  name: "bare read of the version",
  looks: true,
  begin: async ({ connected, ids }) => ({
    one: async (index) => (await connected.version(ids[index] ?? "")) !== 1,
  }),
};

/** The check of the store, without scopes and without gathering; all of them in one call. */
export const storeCheck: Way = {
  name: "the store's check",
  looks: true,
  begin: async ({ connected: { store }, ids }) => {
    const checks = ids.map((id) => ({ key: keyOf(id), expectedVersion: 1 }));
    const ask = async (some: typeof checks): Promise<boolean[]> =>
      (await store.commit([], { checks: some })).map(({ ok }) => !ok);
    return {
      one: async (index) => (await ask(checks.slice(index, index + 1))).includes(true),
      all: () => ask(checks),
    };
  },
};

/** `patchState` with what is there. */
function patching(name: string, answers: "verified" | "local"): Way {
  return {
    name,
    looks: answers === "verified",
    begin: async ({ connected: { store }, ids }) => {
      const kinds = { session: defineKind({ answers }) };
      const runtime = createRuntime({ store, watch: false, kinds });
      const scopes = await openAll(runtime, ids);
      return {
        // Every index is that of an id.
        one: (index) => (scopes[index] as Scope<User>).patchState({ count: 0 }),
        close: () => runtime.close(),
      };
    },
  };
}

export const verified: Way = patching("no-op patchState, verified", "verified");
export const local: Way = patching('no-op patchState, answers: "local"', "local");

/** The scopes of all ids. */
export function openAll(
  runtime: ReturnType<typeof createRuntime>,
  ids: readonly string[],
): Promise<Scope<User>[]> {
  return Promise.all(ids.map((id) => runtime.open<User>("session", id)));
}

/** How often a way asks: `turns` times about each of `records`, about all in one tick. */
export interface Load {
  readonly store: StoreName;
  readonly records: number;
  readonly turns: number;
}

/** A runtime on a store of its own, as another process has one; `memory` has one store object. */
export function otherRuntime(site: Site, store: StateStore): ReturnType<typeof createRuntime> {
  return createRuntime({ store: site.store === "memory" ? store : storeAt(site), watch: false });
}

/** A way as a contender; an operation is one question. */
export function asking(way: Way, { store, records, turns }: Load): Contender {
  const ids = Array.from({ length: records }, (_, index) => `s${index}`);
  const indexes = [...ids.keys()];
  return {
    name: way.name,
    operations: records * turns,
    prepare: async () => {
      const { site } = createPlace(store);
      const connected = await connect(site);
      const other = otherRuntime(site, connected.store);
      const others = await openAll(other, ids);
      await Promise.all(others.map((scope) => scope.setState(createUser())));
      const { one, all, close } = await way.begin({ connected, ids });
      const together = all ?? ((): Promise<boolean[]> => Promise.all(indexes.map(one)));
      let moved = 0;
      return {
        run: async () => {
          for (let turn = 0; turn < turns; turn++) {
            if (records > 1) moved += (await together()).filter(Boolean).length;
            else if (await one(0)) moved += 1;
          }
        },
        check: async () => {
          await Promise.all(others.map((scope) => scope.refresh()));
          const isStill = moved === 0 && others.every(({ version }) => version === 1);
          await Promise.all(others.map((scope) => scope.patchState({ count: 7 })));
          const noticed = (await together()).filter(Boolean).length;
          await close?.();
          await other.close();
          await connected.store.close();
          await connected.end();
          return isStill && noticed === (way.looks ? records : 0);
        },
      };
    },
  };
}
