/**
 * Writers whose writes can be told apart afterwards: each adds a mark of its own to a list, so that
 * a lost one is missing and one applied twice is there twice.
 */
import { expect } from "vitest";
import type { Json } from "../../actors/protocol.ts";
import { isHoldfastError } from "../../actors/errors.ts";
import type { StateStore } from "../../src/stores/contract.ts";

/** Running writers. */
export interface MarkedWrites {
  /** How many writes were acknowledged up to now. */
  readonly acknowledged: () => number;
  /** Failures by their code. */
  readonly failures: ReadonlyMap<string, number>;
  /** Lets the present writes end, and checks every key: nothing lost, nothing twice. */
  finish(reader: StateStore): Promise<void>;
}

interface Writer {
  readonly key: string;
  readonly marks: { acknowledged: string[]; unknown: string[] };
  readonly done: Promise<void>;
}

/** Long enough that a record soon counts as large. */
const PADDING = "-".repeat(100);

function marksIn(state: Json | undefined): string[] {
  // Only this file writes these keys.
  return ((state ?? { marks: [] }) as { marks: string[] }).marks;
}

/** Starts two writers for each key on each store. */
export function startWrites(
  stores: readonly StateStore[],
  keys: readonly string[] = ["a", "b", "c"],
): MarkedWrites {
  const failures = new Map<string, number>();
  const run = { isOver: false };
  let total = 0;

  const writeOne = async (store: StateStore, key: string, mark: string): Promise<boolean> => {
    const [record] = await store.load([key]);
    const marks = marksIn(record?.state);
    const expectedVersion = record?.version ?? 0;
    const [result] = await store.commit([
      {
        key,
        expectedVersion,
        version: expectedVersion + 1,
        state: { marks: [...marks, mark] },
        ...(expectedVersion === 0
          ? {}
          : { patches: [{ op: "add", path: ["marks", marks.length], value: mark }] }),
      },
    ]);
    return result?.ok === true;
  };

  const start = (store: StateStore, key: string, name: string): Writer => {
    const marks: Writer["marks"] = { acknowledged: [], unknown: [] };
    const work = async (): Promise<void> => {
      for (let count = 0; !run.isOver; count += 1) {
        const mark = `${name}-${count}${PADDING}`;
        try {
          if (!(await writeOne(store, key, mark))) continue;
          marks.acknowledged.push(mark);
          total += 1;
        } catch (error) {
          if (!isHoldfastError(error)) throw error;
          failures.set(error.code, (failures.get(error.code) ?? 0) + 1);
          if (error.code === "COMMIT_UNKNOWN") marks.unknown.push(mark);
        }
      }
    };
    return { key, marks, done: work() };
  };

  const writers = stores.flatMap((store, at) =>
    keys.flatMap((key) => [start(store, key, `${at}a`), start(store, key, `${at}b`)]),
  );
  return {
    acknowledged: () => total,
    failures,
    async finish(reader) {
      run.isOver = true;
      await Promise.all(writers.map(({ done }) => done));
      for (const key of keys) {
        const [record] = await reader.load([key]);
        const stored = marksIn(record?.state);
        const mine = writers.filter((writer) => writer.key === key).map(({ marks }) => marks);
        const known = new Set(mine.flatMap(({ acknowledged }) => acknowledged));
        const possible = new Set(mine.flatMap(({ unknown }) => unknown));
        expect(new Set(stored).size).toBe(stored.length);
        expect([...known].filter((mark) => !stored.includes(mark))).toEqual([]);
        expect(stored.filter((mark) => !known.has(mark) && !possible.has(mark))).toEqual([]);
        expect(record?.version).toBe(stored.length);
      }
    },
  };
}
