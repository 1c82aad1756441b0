/** D4 on every store: one small change per commit of states of 1 KB to 1 MB. */
import type { Scope } from "../../src/runtime/scope.ts";
import { createHistory, type Counting } from "../contention/commit.ts";
import { createPlace, type Place } from "../contention/place.ts";
import { recordsAt } from "../contention/records.ts";
import type { Records } from "../contention/rows.ts";
import { storeName, WAYS, type StoreName } from "../contention/site.ts";
import { createRuntime } from "../subject.ts";
import { atLeast, atMost, race, type Contender, type Goal, type Section } from "../support.ts";

const STORES: readonly StoreName[] = ["sqlite", "redis", "postgres"];

/** The store of that name, if its records can be used by hand as well. */
export function recordStore(name: string): StoreName {
  return storeName(name, STORES);
}

/** Commits of large states. */
interface Work {
  readonly store: StoreName;
  /** How many records are changed at once, each again when its last change is answered. */
  readonly lanes: number;
  readonly bytes: number;
  /** Changes of each record. */
  readonly commits: number;
}

const SIZES = [1000, 10_000, 100_000, 1_000_000];

/** Enough that a log of patches is folded into a new base, which is part of the price. */
const COMMITS = 1100;

function keysOf(lanes: number): string[] {
  return Array.from({ length: lanes }, (_, lane) => `state-${lane}`);
}

/** `patchState` on a scope per lane. */
function patching(name: string, { store, lanes, bytes, commits }: Work): Contender {
  const open = (place: Place): Promise<{ scopes: Scope<Counting>[]; close: () => Promise<void> }> =>
    openScopes(place, lanes);
  return {
    name,
    operations: lanes * commits,
    prepare: async () => {
      const place = createPlace(store);
      const { scopes, close } = await open(place);
      await Promise.all(scopes.map((scope) => scope.setState(createHistory(bytes))));
      const change = async (scope: Scope<Counting>): Promise<void> => {
        for (let count = 1; count <= commits; count++) await scope.patchState({ count });
      };
      return {
        run: () => Promise.all(scopes.map(change)),
        check: async () => {
          await close();
          const reader = await open(place);
          const isRight = reader.scopes.every(({ state }) => isChanged(state, bytes, commits));
          await reader.close();
          return isRight;
        },
      };
    },
  };
}

async function openScopes(
  place: Place,
  lanes: number,
): Promise<{ scopes: Scope<Counting>[]; close: () => Promise<void> }> {
  const runtime = createRuntime({ store: place.reopen() });
  const scopes = await Promise.all(
    keysOf(lanes).map((key) => runtime.open<Counting>("session", key)),
  );
  return { scopes, close: () => runtime.close() };
}

/** The whole state written by version. */
function saving(name: string, { store, lanes, bytes, commits }: Work): Contender {
  return {
    name,
    operations: lanes * commits,
    prepare: async () => {
      const { site } = createPlace(store);
      const records = await recordsAt(site);
      const state = createHistory(bytes);
      const keys = keysOf(lanes);
      for (const key of keys) await records.create([key], JSON.stringify(state));
      const change = async (key: string): Promise<void> => {
        for (let count = 1; count <= commits; count++) {
          const isSaved = await records.replace(key, count, JSON.stringify({ ...state, count }));
          if (!isSaved) throw new Error("there is one writer, and still a version was wrong");
        }
      };
      return {
        run: () => Promise.all(keys.map(change)),
        check: async () => {
          const isRight = await areChanged(records, keys, { bytes, commits });
          await records.close();
          return isRight;
        },
      };
    },
  };
}

async function areChanged(
  records: Records,
  keys: readonly string[],
  { bytes, commits }: { readonly bytes: number; readonly commits: number },
): Promise<boolean> {
  for (const key of keys) {
    const { text } = await records.read(key);
    // A state written above.
    if (!isChanged(JSON.parse(text) as Counting, bytes, commits)) return false;
  }
  return true;
}

/** True when the last change is there, and everything else as well. */
function isChanged(state: Counting, bytes: number, commits: number): boolean {
  const expected = JSON.stringify({ ...createHistory(bytes), count: commits });
  return JSON.stringify({ ...state }) === expected;
}

function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${bytes / 1000} KB` : `${bytes / 1_000_000} MB`;
}

const ours = (bytes: number): string => `patchState, ${sizeText(bytes)}`;
const whole = (bytes: number): string => `whole snapshot, ${sizeText(bytes)}`;

/** How many snapshots are saved in each lane: as many as take about as long as the patches. */
function snapshots(bytes: number, lanes: number): number {
  return Math.ceil((bytes > 100_000 ? 30 : 200) / Math.sqrt(lanes));
}

/** The small change of states of each size, one at a time or in `lanes` records at once. */
export async function sizeSection(
  { store, lanes }: Pick<Work, "store" | "lanes">,
  rounds = 3,
): Promise<Section> {
  const contenders = SIZES.flatMap((bytes) => {
    const commits = snapshots(bytes, lanes);
    return [
      patching(ours(bytes), { store, lanes, bytes, commits: COMMITS }),
      saving(whole(bytes), { store, lanes, bytes, commits }),
    ];
  });
  const base = ours(10_000);
  const result = await race({ base, operations: COMMITS, rounds, warmUps: 1, contenders });
  const at = lanes === 1 ? "one after the other" : `${lanes} records at once`;
  const gain = result.ratio(whole(1_000_000), ours(1_000_000));
  const growth = result.ratio(ours(1_000_000), ours(10_000));
  const place = (work: string): Pick<Goal, "id" | "work"> => ({
    id: "D4",
    work: `${work}, ${store}`,
  });
  const goals =
    lanes === 1
      ? [
          atLeast(place("1 MB state, small change"), gain, 30, "× faster than snapshots"),
          atMost(place("1 MB state beside 10 KB"), growth, 1.5, "× the cost"),
        ]
      : [];
  return {
    title: `D4: a small change of a state of 1 KB to 1 MB, ${at}, ${WAYS[store]}`,
    notes: [
      "whole snapshot: JSON.stringify of all of it, saved by version with the bare driver.",
      "Every state is read back and compared as a whole.",
    ],
    timings: result.timings,
    goals,
  };
}
