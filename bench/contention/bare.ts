/** Competitors on a bare SQLite database, in the journal and sync mode of the store. */
import { setImmediate as turn } from "node:timers/promises";
import { assign, createActor, setup } from "xstate";
import type { SqliteDatabase } from "../../src/stores/sqlite/driver.ts";
import type { Competitor } from "./competitor.ts";
import { openBare } from "./site.ts";

interface Row {
  readonly n: number;
}

function openRows(path: string, count: number): SqliteDatabase {
  const database = openBare(path);
  const insert = database.prepare("INSERT INTO record VALUES (?, 1, ?)");
  database.exec("BEGIN");
  for (let index = 0; index < count; index++) insert.run(String(index), '{"n":0}');
  database.exec("COMMIT");
  return database;
}

/** The sum of the counters in the file, after it was closed and opened again. */
function totalOf(database: SqliteDatabase, path: string, count: (text: string) => number): number {
  database.close();
  const reader = openBare(path);
  const rows = reader.prepare("SELECT state FROM record").all();
  reader.close();
  // The query selects one column of text.
  return rows.reduce<number>((sum, row) => sum + count((row as { state: string }).state), 0);
}

const counterMachine = setup({
  types: { context: {} as Row, events: {} as { type: "increment" } },
}).createMachine({
  context: { n: 0 },
  on: { increment: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
});

/** An XState actor that counts: each call adds one and gives its persisted snapshot as JSON. */
export function createCounter(): () => string {
  const actor = createActor(counterMachine).start();
  return () => {
    actor.send({ type: "increment" });
    return JSON.stringify(actor.getPersistedSnapshot());
  };
}

/** One XState actor per counter, its persisted snapshot written after every event. */
export const xstatePersisted: Competitor = {
  name: "XState actor, each snapshot saved",
  open: async ({ path }, count) => {
    const database = openRows(`${path}-xstate`, count);
    const update = database.prepare("UPDATE record SET state = ? WHERE key = ?");
    const counters = Array.from({ length: count }, createCounter);
    return {
      increment: async (index) => update.run(counters[index]?.() ?? "", String(index)),
      // The text is a persisted snapshot; the first one of a counter is the bare row.
      total: async () =>
        totalOf(database, `${path}-xstate`, (text) => {
          const saved = JSON.parse(text) as { context?: Row };
          return saved.context?.n ?? 0;
        }),
    };
  },
};

/** Read the row, wait as any network would make one wait, write it back. */
export const unlocked: Competitor = {
  name: "load, then save, no lock",
  losesUpdates: true,
  open: async ({ path }, count) => {
    const database = openRows(`${path}-unlocked`, count);
    const select = database.prepare("SELECT state FROM record WHERE key = ?");
    const update = database.prepare("UPDATE record SET state = ? WHERE key = ?");
    return {
      increment: async (index) => {
        // The query selects one column of text.
        const { state } = select.get(String(index)) as { state: string };
        await turn();
        const { n } = JSON.parse(state) as Row;
        update.run(JSON.stringify({ n: n + 1 }), String(index));
      },
      total: async () =>
        totalOf(database, `${path}-unlocked`, (text) => (JSON.parse(text) as Row).n),
    };
  },
};

/** As many rows per transaction as the store has writes in a batch. */
const ROWS_AT_ONCE = 256;

interface BoundRow {
  readonly key: string;
  version: number;
  n: number;
  /** Resolves when the present number is stored. */
  saved: Promise<void> | null;
}

/** The bound of D2: counters in a map, and one UPDATE per turn for each row that changed. */
export const boundRows: Competitor = {
  name: "bound: a Map, its rows saved together",
  open: async ({ path }, count) => {
    const database = openRows(`${path}-bound`, count);
    const update = database.prepare(
      "UPDATE record SET version = ?, state = ? WHERE key = ? AND version = ?",
    );
    const save = (changed: readonly BoundRow[]): void => {
      database.exec("BEGIN IMMEDIATE");
      for (const row of changed) {
        const { key, version, n } = row;
        update.run(version + 1, JSON.stringify({ n }), key, version);
        [row.version, row.saved] = [version + 1, null];
      }
      database.exec("COMMIT");
    };
    const keys = Array.from({ length: count }, (_, index) => String(index));
    const rows = new Map(
      keys.map((key): [string, BoundRow] => [key, { key, version: 1, n: 0, saved: null }]),
    );
    let changed: BoundRow[] = [];
    let last: Promise<void> = Promise.resolve();
    const begin = (): BoundRow[] => {
      const batch: BoundRow[] = [];
      last = last.then(turn).then(() => {
        if (changed === batch) changed = [];
        save(batch);
      });
      return batch;
    };
    return {
      increment: (index) => {
        const row = rows.get(keys[index] ?? "");
        if (row === undefined) throw new Error("there is no such counter");
        row.n += 1;
        if (row.saved !== null) return row.saved;
        if (changed.length === 0 || changed.length === ROWS_AT_ONCE) changed = begin();
        changed.push(row);
        return (row.saved = last);
      },
      total: async () => totalOf(database, `${path}-bound`, (text) => (JSON.parse(text) as Row).n),
    };
  },
};
