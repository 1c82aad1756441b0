/**
 * Writers that add a name of their own to a shared list, one commit per name, whatever happens to
 * the server meanwhile; and what must be true of the list in the end.
 */
import { expect } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import type { Json } from "../../actors/protocol.ts";
import type { StateStore, StoredRecord } from "../../src/stores/contract.ts";

/** Makes a state large, so that it is changed by patches. */
const PAD = "x".repeat(10_000);
const NEVER_MIND: ReadonlySet<string> = new Set(["STORE_UNAVAILABLE", "COMMIT_UNKNOWN"]);

interface Listed {
  readonly pad: string;
  readonly names: readonly string[];
}

/** A running load. */
export interface Load {
  /** Resolves when so many commits were answered in all. */
  reached(count: number): Promise<void>;
  /** Resolves when every name is in; then looks at the list. */
  done(): Promise<void>;
}

/** Starts one writer per store on the record `key`. */
export function startAppenders(
  stores: readonly StateStore[],
  work: { readonly key: string; readonly each: number; readonly large?: boolean },
): Load {
  const confirmed: string[] = [];
  const waiting = new Set<() => void>();
  const answered = (name: string): void => {
    confirmed.push(name);
    for (const look of waiting) look();
  };
  const running = Promise.all(
    stores.map(async (store, writer) => {
      for (let n = 0; n < work.each; n += 1) {
        const name = `${writer}-${n}`;
        const progress = { isDoubtful: false };
        while (!(await add(store, name, { ...work, progress }))) await Promise.resolve();
        answered(name);
      }
    }),
  );
  running.catch(() => undefined); // `done` tells.
  return {
    reached: (count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (confirmed.length >= count) resolve();
        };
        waiting.add(look);
        running.catch(reject);
        look();
      }),
    async done() {
      await running;
      const [store] = stores;
      const record = await store?.load([work.key]).then(([found]) => found);
      const names = listed(record).names;
      expect(names.toSorted()).toEqual(confirmed.toSorted()); // None lost, none twice.
      expect(record?.version).toBe(names.length);
    },
  };
}

/** True when the name is in the list; false when it must be tried again. */
async function add(
  store: StateStore,
  name: string,
  {
    key,
    large = false,
    progress,
  }: {
    readonly key: string;
    readonly large?: boolean;
    readonly progress: { isDoubtful: boolean };
  },
): Promise<boolean> {
  try {
    const [record] = await store.load([key]);
    const before = listed(record);
    if (before.names.includes(name)) {
      // Only an outcome that was called unknown may have been a good one.
      expect(progress.isDoubtful).toBe(true);
      return true;
    }
    const version = record?.version ?? 0;
    const names = [...before.names, name];
    const state: Json = { pad: large ? PAD : "", names };
    const patches =
      version === 0
        ? undefined
        : [{ op: "add" as const, path: ["names", before.names.length], value: name }];
    const write = { key, expectedVersion: version, version: version + 1, state, patches };
    const [result] = await store.commit([write]);
    return result?.ok === true;
  } catch (error) {
    if (!isHoldfastError(error) || !NEVER_MIND.has(error.code)) throw error;
    progress.isDoubtful ||= error.code === "COMMIT_UNKNOWN";
    return false;
  }
}

function listed(record: StoredRecord | undefined): Listed {
  // Only `add` writes under this key.
  return (record?.state as Listed | undefined) ?? { pad: "", names: [] };
}
