/** D3, D4 and D6: what one commit costs, alone, of a large state, and to the event loop. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Mutex } from "async-mutex";
import type { Scope } from "../../src/runtime/scope.ts";
import type { Processes } from "../../src/stores/sqlite/build.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite/driver.ts";
import { createUser, type User } from "../micro/states.ts";
import { createRuntime } from "../subject.ts";
import {
  atLeast,
  atMost,
  figure,
  median,
  race,
  type Contender,
  type Section,
  type Trial,
} from "../support.ts";
import { createPlace, type Place } from "./place.ts";
import { openBare, type FileUse } from "./site.ts";

/** A state whose `count` is changed. */
export type Counting = object & { readonly count: number };

/** Awaited changes of one record, each a commit of its own. */
interface Series<S extends Counting> {
  readonly name: string;
  readonly commits: number;
  readonly create: () => S;
  readonly processes: Processes;
}

/** `patchState` on one scope of a runtime. */
function patching<S extends Counting>(series: Series<S>): Contender {
  const { name, commits, create, processes } = series;
  return {
    name,
    operations: commits,
    prepare: async () => {
      const place = createPlace("sqlite", processes);
      const runtime = createRuntime({ store: place.store });
      const scope: Scope<Counting> = await runtime.open("session", "one");
      await scope.setState(create());
      return {
        run: async () => {
          for (let count = 1; count <= commits; count++) await scope.patchState({ count });
        },
        check: async () => {
          await runtime.close();
          return (await storedCount(place)) === commits;
        },
      };
    },
  };
}

async function storedCount(place: Place): Promise<number> {
  const reader = createRuntime({ store: place.reopen() });
  const scope = await reader.open<Counting>("session", "one");
  const { count } = scope.state;
  await reader.close();
  return count;
}

/** The whole state written by one prepared UPDATE that compares the version. */
function updating<S extends Counting>(series: Series<S>): Contender {
  const { name, commits, create, processes } = series;
  return {
    name,
    operations: commits,
    prepare: () => {
      const database = openBare(createPlace("sqlite").path, processes);
      const state = create();
      database.prepare("INSERT INTO record VALUES ('one', 1, ?)").run(JSON.stringify(state));
      const update = database.prepare(
        "UPDATE record SET version = ?, state = ? WHERE key = ? AND version = ?",
      );
      return {
        run: () => {
          for (let count = 1; count <= commits; count++) {
            update.run(count + 1, JSON.stringify({ ...state, count }), "one", count);
          }
        },
        check: () => bareCount(database) === commits,
      };
    },
  };
}

function bareCount(database: SqliteDatabase): number {
  // The query selects one column of text, which is a state written above.
  const row = database.prepare("SELECT state FROM record").get() as { state: string };
  database.close();
  return (JSON.parse(row.state) as Counting).count;
}

/** D3. */
export async function aloneSection({ processes, journal }: FileUse, rounds = 9): Promise<Section> {
  const commits = 500;
  const create: () => User = createUser;
  const base = "bare prepared UPDATE";
  const ours = "awaited patchState";
  const result = await race({
    base,
    operations: commits,
    rounds,
    contenders: [
      updating({ name: base, commits, create, processes }),
      patching({ name: ours, commits, create, processes }),
    ],
  });
  const place = { id: "D3", work: `sequential patchState, ${journal}` };
  return {
    title: `D3: ${commits} changes of 10 fields, one after the other, sqlite, synchronous FULL, ${journal}`,
    notes: [
      "bare: JSON.stringify and UPDATE … WHERE key AND version on the same driver, with the same",
      "journal, no await.",
    ],
    timings: result.timings,
    goals: [atMost(place, result.ratio(ours, base), 1.25, "× bare")],
  };
}

/** A state of about `bytes` as JSON: a counter and a list of small messages. */
export function createHistory(bytes: number): Counting & { readonly messages: readonly object[] } {
  const text = "A message of a usual length, with a few words in it.";
  const messages = [];
  for (let size = 0; size < bytes; size += 100) messages.push({ role: "user", at: size, text });
  return { count: 0, messages };
}

/** D4. */
export async function largeSection({ processes, journal }: FileUse, rounds = 3): Promise<Section> {
  const sizes = [10_000, 100_000, 1_000_000];
  const ours = (bytes: number): string => `patchState, ${bytes / 1000} KB`;
  const whole = (bytes: number): string => `whole snapshot, ${bytes / 1000} KB`;
  const contenders = sizes.flatMap((bytes) => {
    const create = (): Counting => createHistory(bytes);
    // Enough changes that the log is folded into a new base, which is part of the price.
    const patched = patching({ name: ours(bytes), commits: 1000, create, processes });
    const commits = bytes > 100_000 ? 30 : 200;
    return [patched, updating({ name: whole(bytes), commits, create, processes })];
  });
  const least = "bare UPDATE of a small row";
  contenders.push(updating({ name: least, commits: 200, create: createUser, processes }));
  const base = ours(10_000);
  const result = await race({ base, operations: 1000, rounds, warmUps: 1, contenders });
  const gain = result.ratio(whole(1_000_000), ours(1_000_000));
  const bound = result.least(whole(1_000_000)) / result.least(least);
  const growth = result.ratio(ours(1_000_000), ours(10_000));
  return {
    title: `D4: a small change of a large state, sqlite, synchronous FULL, ${journal}`,
    notes: [
      "whole snapshot: JSON.stringify of all of it and the bare UPDATE of D3.",
      `The quickest snapshot of 1 MB took ${figure(bound)} × the time of the quickest small row: no`,
      "commit can be faster than that.",
    ],
    timings: result.timings,
    goals: [
      atLeast(
        { id: "D4", work: `1 MB state, small change, ${journal}` },
        gain,
        30,
        "× faster than snapshots",
      ),
      atMost({ id: "D4", work: `1 MB state beside 10 KB, ${journal}` }, growth, 1.5, "× the cost"),
    ],
  };
}

/** Delays of the event loop while a contender worked, one number per round. */
class Delays {
  readonly p99: number[] = [];
  readonly max: number[] = [];

  /** Watches the loop during a trial. */
  async watch(trial: Trial): Promise<Trial> {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await sleep(5); // The first look of the watching timer only starts its clock.
    const check = async (): Promise<boolean> => {
      await sleep(3); // The watching timer must see the last delay.
      delay.disable();
      this.p99.push(delay.percentile(99) / 1e6);
      this.max.push(delay.max / 1e6);
      return trial.check();
    };
    return { run: trial.run, check };
  }

  /** The columns of a report. */
  columns(): Record<string, string> {
    return {
      "loop delay p99": `${figure(median(this.p99))} ms`,
      max: `${figure(Math.max(...this.max))} ms`,
    };
  }
}

const IN_FLIGHT = 1000;

/** Each of 1,000 scopes saves, and saves again as soon as that is answered. */
function saving(name: string, saves: number, processes: Processes, delays: Delays): Contender {
  return {
    name,
    operations: IN_FLIGHT * saves,
    prepare: async () => {
      const runtime = createRuntime({ store: createPlace("sqlite", processes).store });
      const ids = Array.from({ length: IN_FLIGHT }, (_, index) => `s${index}`);
      const scopes: Scope<Counting>[] = await Promise.all(
        ids.map((id) => runtime.open<Counting>("session", id)),
      );
      await Promise.all(scopes.map((scope) => scope.setState({ count: 0 })));
      const save = async (scope: Scope<Counting>): Promise<void> => {
        for (let count = 1; count <= saves; count++) await scope.incState({ count: 1 });
      };
      return delays.watch({
        run: () => Promise.all(scopes.map((scope) => save(scope))),
        check: async () => {
          await runtime.close();
          return scopes.every(({ version, state }) => {
            return version === saves + 1 && state.count === saves;
          });
        },
      });
    },
  };
}

/** The same with a mutex for each record, and one UPDATE for each save. */
function locking(name: string, saves: number, processes: Processes, delays: Delays): Contender {
  return {
    name,
    operations: IN_FLIGHT * saves,
    prepare: () => {
      const database = openBare(createPlace("sqlite").path, processes);
      const insert = database.prepare("INSERT INTO record VALUES (?, 1, '{\"count\":0}')");
      const update = database.prepare("UPDATE record SET version = ?, state = ? WHERE key = ?");
      const keys = Array.from({ length: IN_FLIGHT }, (_, index) => `s${index}`);
      for (const key of keys) insert.run(key);
      const save = async (key: string): Promise<void> => {
        const mutex = new Mutex();
        for (let count = 1; count <= saves; count++)
          await mutex.runExclusive(() => update.run(count + 1, JSON.stringify({ count }), key));
      };
      return delays.watch({
        run: () => Promise.all(keys.map((key) => save(key))),
        check: () => {
          const unsaved = database
            .prepare("SELECT key FROM record WHERE version <> ?")
            .all(saves + 1);
          database.close();
          return unsaved.length === 0;
        },
      });
    },
  };
}

/** D6. */
export async function delaySection({ processes, journal }: FileUse, rounds = 5): Promise<Section> {
  const names = { ours: "holdfast", peer: "async-mutex, one UPDATE each" };
  const delays = { ours: new Delays(), peer: new Delays() };
  const result = await race({
    base: names.peer,
    operations: 1,
    rounds,
    warmUps: 1,
    contenders: [
      saving(names.ours, 30, processes, delays.ours),
      locking(names.peer, 2, processes, delays.peer),
    ],
  });
  const place = { id: "D6", work: `event-loop delay, 1,000 saves in flight, ${journal}` };
  return {
    title: `D6: event-loop delay while 1,000 saves are in flight, sqlite, synchronous FULL, ${journal}`,
    notes: ["A timer of 1 ms watches the loop: an idle one shows about 1 ms."],
    timings: result.timings.map((timing) => {
      const extra = (timing.name === names.ours ? delays.ours : delays.peer).columns();
      return Object.assign({}, timing, { extra });
    }),
    goals: [atMost(place, median(delays.ours.p99), 12, "ms (p99)")],
  };
}
