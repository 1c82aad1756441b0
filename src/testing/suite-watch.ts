/** Watching: a watcher receives the commits of other owners of the data, and only theirs. */
import assert from "node:assert/strict";
import type { StateStore } from "../stores/contract.ts";
import { commitOk, drive, type SuiteCase, type SuiteSession, write } from "./suite-case.ts";
import { HOSTILE_KEYS } from "./suite-data.ts";

/**
 * What a watcher received: the newest version of each key, and the waits for one. Not the first:
 * nodes of a cluster pass reports on, so one from before the watch may still come.
 */
export class Observed {
  readonly versions: Map<string, number> = new Map();
  readonly #waiting = new Set<() => void>();

  readonly changed = (key: string, version: number): void => {
    this.versions.set(key, Math.max(version, this.versions.get(key) ?? 0));
    for (const look of this.#waiting) look();
  };

  /** Waits until at least `version` of `key` was reported. */
  reached(session: SuiteSession, key: string, version: number): Promise<void> {
    const come = new Promise<void>((resolve) => {
      const look = (): void => {
        if ((this.versions.get(key) ?? 0) >= version) resolve();
      };
      this.#waiting.add(look);
      look();
    });
    return drive(session, come);
  }
}

export function watchOf(store: StateStore): NonNullable<StateStore["watch"]> {
  return (changed, missed) => {
    if (store.watch === undefined) assert.fail("a store that declares `watch` has it");
    return store.watch(changed, missed);
  };
}

/** Claims about `watch`. */
export const watchCases: readonly SuiteCase[] = [
  {
    name: "writes, deletes and atomic batches of another owner are reported, whatever their keys",
    needs: ["watch", "second"],
    async run(session) {
      const other = await session.second();
      const observed = new Observed();
      await watchOf(session.store)(observed.changed);
      for (const key of HOSTILE_KEYS) await commitOk(other, write(key, 0, { n: 1 }));
      await commitOk(other, write("a", 1, { n: 2 }));
      await commitOk(other, write("A", 1, undefined));
      if (other.supports.transactions)
        await other.commit([write("x", 0, 1), write("y", 0, 1)], { atomic: true });
      await commitOk(other, write("last", 0, 1, { version: 9 }));
      await observed.reached(session, "last", 9);
      for (const key of HOSTILE_KEYS) await observed.reached(session, key, 1);
      await observed.reached(session, "a", 2);
      await observed.reached(session, "A", 2);
      if (other.supports.transactions) await observed.reached(session, "y", 1);
    },
  },
  {
    name: "own commits and refused ones are not reported",
    needs: ["watch", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      const observed = new Observed();
      await watchOf(store)(observed.changed);
      await commitOk(store, write("own", 0, 1));
      await other.commit([write("own", 5, 2), write("refused", 3, 1)]);
      await commitOk(other, write("last", 0, 1));
      await observed.reached(session, "last", 1);
      assert.deepEqual([...observed.versions], [["last", 1]]);
    },
  },
  {
    name: "a stopped watcher gets no more reports, others do",
    needs: ["watch", "second"],
    async run(session) {
      const other = await session.second();
      const [gone, observed] = [new Observed(), new Observed()];
      const stop = await watchOf(session.store)(gone.changed);
      await watchOf(session.store)(observed.changed);
      await stop();
      await stop();
      await commitOk(other, write("k", 0, 1));
      await observed.reached(session, "k", 1);
      assert.equal(gone.versions.size, 0);
    },
  },
];
