/** All that keep counters on a store: this library, and what programs do instead. */
import { setTimeout as sleep } from "node:timers/promises";
import { Mutex } from "async-mutex";
import equal from "fast-deep-equal";
import PQueue from "p-queue";
import type { Scope } from "../../src/runtime/scope.ts";
import type { StateStore, StoredRecord, WriteResult } from "../../src/stores/contract.ts";
import { createRuntime } from "../subject.ts";
import { GaveUp, type Competitor, type Counters } from "./competitor.ts";
import type { Place } from "./place.ts";

interface Count extends Record<string, unknown> {
  readonly n: number;
}

/** A record as its holder last saw it. */
interface Held {
  state: Count;
  version: number;
}

const RETRIES = 3;
const FIRST_WAIT_MS = 10;

function range<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function idOf(index: number): string {
  return `counter-${index}`;
}

/** This library, its scopes open before the clock starts. */
export const holdfast: Competitor = {
  name: "holdfast",
  open: async (place, count) => {
    const runtime = createRuntime({ store: place.store });
    const open = (): Promise<Scope<Count>[]> =>
      Promise.all(range(count, (index) => runtime.open<Count>("session", idOf(index))));
    const scopes = await open();
    await Promise.all(scopes.map((scope) => scope.setState({ n: 0 })));
    return {
      increment: (index) => scopes[index]?.incState({ n: 1 }) ?? missing(),
      total: () => holdfastTotal(place, runtime, count),
    };
  },
};

/** This library, each scope opened where it is used, so that loading its record counts. */
export const holdfastLazy: Competitor = {
  name: "holdfast, opening included",
  open: async (place, count) => {
    const before = await holdfast.open(place, count);
    if (place.durable) await before.total();
    const store = place.durable ? place.reopen() : place.store;
    const runtime = createRuntime({ store });
    return {
      increment: async (index) => {
        const scope = await runtime.open<Count>("session", idOf(index));
        return scope.incState({ n: 1 });
      },
      total: () => holdfastTotal(place, runtime, count),
    };
  },
};

async function holdfastTotal(
  place: Place,
  runtime: ReturnType<typeof createRuntime>,
  count: number,
): Promise<number> {
  if (place.durable) await runtime.close();
  const reader = createRuntime({ store: place.reopen() });
  const scopes = await Promise.all(
    range(count, (index) => reader.open<Count>("session", idOf(index))),
  );
  const sum = scopes.reduce((total, { state }) => total + state.n, 0);
  await reader.close();
  if (!place.durable) await runtime.close();
  return sum;
}

/** Stores that are loaded, changed and saved by hand under `increment`. */
function onStore(
  name: string,
  make: (store: StateStore, count: number) => (key: string, index: number) => Promise<unknown>,
): Competitor {
  return {
    name,
    open: async (place, count) => {
      const { store } = place;
      const keys = range(count, idOf);
      const state = { n: 0 };
      await store.commit(keys.map((key) => ({ key, expectedVersion: 0, version: 1, state })));
      const increment = make(store, count);
      return {
        increment: (index) => increment(keys[index] ?? "", index),
        total: () => storedTotal(place, keys),
      };
    },
  };
}

async function storedTotal(place: Place, keys: readonly string[]): Promise<number> {
  if (place.durable) await place.store.close();
  const store = place.reopen();
  const records = await store.load(keys);
  await store.close();
  return records.reduce((total, record) => total + held(record).state.n, 0);
}

function held(record: StoredRecord | undefined): Held {
  if (record?.state === undefined) throw new Error("a counter has vanished");
  // Only counters are in this store.
  return { state: record.state as unknown as Count, version: record.version };
}

async function load(store: StateStore, key: string): Promise<Held> {
  const [record] = await store.load([key]);
  return held(record);
}

async function save(
  store: StateStore,
  key: string,
  { state, version }: Held,
): Promise<WriteResult> {
  const next = { n: state.n };
  const write = { key, expectedVersion: version, version: version + 1, state: next };
  const [answer] = await store.commit([write]);
  if (answer === undefined) throw new Error("the store gave no answer");
  return answer;
}

async function loadAndSave(store: StateStore, key: string): Promise<void> {
  const { state, version } = await load(store, key);
  const answer = await save(store, key, { state: { n: state.n + 1 }, version });
  if (!answer.ok) throw new GaveUp();
}

/** Load and save under a mutex of the counter. */
export const asyncMutex: Competitor = onStore("async-mutex, load + save", (store, count) => {
  const locks = range(count, () => new Mutex());
  return (key, index) => locks[index]?.runExclusive(() => loadAndSave(store, key)) ?? missing();
});

/** Load and save as a task of the counter's queue. */
export const pQueue: Competitor = onStore("p-queue(1), load + save", (store, count) => {
  const queues = range(count, () => new PQueue({ concurrency: 1 }));
  return (key, index) => queues[index]?.add(() => loadAndSave(store, key)) ?? missing();
});

/** The next try of a writer that lost: after 10, 20 and 40 ms, then never. */
export async function backOff(attempt: number): Promise<void> {
  if (attempt === RETRIES) throw new GaveUp();
  await sleep(FIRST_WAIT_MS * 2 ** attempt);
}

/** Loads the record and saves it by version, all of it again on a conflict. */
export const naiveCas: Competitor = onStore("naive CAS, 3 retries", (store) => async (key) => {
  for (let attempt = 0; ; attempt++) {
    const { state, version } = await load(store, key);
    const answer = await save(store, key, { state: { n: state.n + 1 }, version });
    if (answer.ok) return;
    await backOff(attempt);
  }
});

/** The dispatch flow-state-dev documents for stored scopes: no queue before the container. */
async function dispatch(store: StateStore, key: string, container: Held): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    const { version } = container;
    const state = changed(container.state);
    if (state === undefined) return false;
    const answer = await save(store, key, { state, version });
    if (answer.ok) {
      Object.assign(container, { state, version: answer.version });
      return true;
    }
    Object.assign(container, held(answer.current));
    await backOff(attempt);
  }
}

/** That dispatch with all callers on one container. */
export const flowStateShared: Competitor = onStore(
  "flow-state-dev CAS, one container",
  (store, count) => {
    const containers = range(count, fresh);
    return (key, index) => dispatch(store, key, containers[index] ?? fresh());
  },
);

/** That dispatch with a container for each caller, as each request has its own. */
export const flowStateApart: Competitor = onStore(
  "flow-state-dev CAS, container per caller",
  (store) => async (key) => dispatch(store, key, await load(store, key)),
);

function fresh(): Held {
  return { state: { n: 0 }, version: 1 };
}

/** The dispatch flow-state-dev documents for scopes that are not stored: a tail of promises. */
export const flowStateLock: Competitor = {
  name: "flow-state-dev, lock path (not stored)",
  open: async (_place, count): Promise<Counters> => {
    const containers = range(count, () => ({ state: { n: 0 } as Count, tail: Promise.resolve() }));
    return {
      increment: (index) => {
        const container = containers[index];
        if (container === undefined) return missing();
        const turn = (): void => {
          container.state = changed(container.state) ?? container.state;
        };
        container.tail = container.tail.then(turn, turn);
        return container.tail;
      },
      total: async () => containers.reduce((total, { state }) => total + state.n, 0),
    };
  },
};

/** One more, by a shallow copy; `undefined` when deep comparison finds nothing changed. */
function changed(state: Count): Count | undefined {
  const next = { ...state, n: state.n + 1 };
  return equal(state, next) ? undefined : next;
}

function missing(): Promise<never> {
  return Promise.reject(new Error("no such counter"));
}
