/** T3: what timers cost while they wait, and what it costs to set and to fire them. */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { StateStore } from "../../src/stores/contract.ts";
import { createPlace } from "../contention/place.ts";
import { type StoreName, WAYS } from "../contention/site.ts";
import type { Runtime } from "../../src/index.ts";
import { createRuntime, defineKind } from "../subject.ts";
import { atMost, figure, type Goal, type Section } from "../support.ts";

const TIMERS = 100_000;
/** Those of them that are due at one moment, while the others wait. */
const DUE = 2_000;
/** Timers that are set at the same time. */
const AT_ONCE = 1_000;
/** Seconds of waiting that are measured. */
const WAIT_S = 10;
const SOON_MS = 3_600_000;
const LATER_MS = 2 * SOON_MS;

/** How often a store was asked. */
interface Asked {
  readonly store: StateStore;
  lists: number;
  loads: number;
  commits: number;
}

/** Counts the calls of a store; the rest of it is as it was. */
function counting(inner: StateStore): Asked {
  const counts = { lists: 0, loads: 0, commits: 0 };
  const names = new Map<PropertyKey, keyof typeof counts>([
    ["list", "lists"],
    ["load", "loads"],
    ["commit", "commits"],
  ]);
  const store = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const counted = names.get(name);
        if (counted !== undefined) counts[counted] += 1;
        return Reflect.apply(value, target, given);
      };
    },
  });
  return Object.assign(counts, { store });
}

/** The machine's time, which can be moved forward. */
function movedClock() {
  let movedMs = 0;
  return {
    now: () => Date.now() + movedMs,
    monotonic: () => Math.floor(performance.now()),
    setTimeout: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs),
    clearTimeout: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout), // Its own.
    move: (ms: number) => {
      movedMs += ms;
    },
  };
}

/** Bytes of the heap after collections; scopes that have left are let go in between. */
async function collected(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void; // The flag makes it.
  for (let times = 0; times < 6; times += 1) {
    gc();
    await sleep(50);
  }
  return process.memoryUsage().heapUsed;
}

/** What work has taken; milliseconds. */
interface Taken {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function taken(work: () => Promise<void>): Promise<Taken> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wallMs: performance.now() - start, cpuMs: (user + system) / 1_000 };
}

/** What a waiting runtime costs. */
interface Waiting {
  readonly name: string;
  readonly cpuMs: number;
  readonly lists: number;
  readonly loads: number;
  readonly heapKb: number;
}

interface Run {
  readonly set: Taken;
  readonly fire: Taken;
  readonly waiting: Waiting;
}

/** Sets so many timers, lets them wait in a runtime of their own, and fires them. */
async function runOf(name: StoreName, count: number): Promise<Run> {
  const clock = movedClock();
  const asked = counting(createPlace(name).store);
  const fired: string[] = [];
  const job = defineKind({ timers: { job: (scope) => void fired.push(scope.identity.id) } });
  const options = { store: asked.store, clock, kinds: { job } };
  const other = createRuntime({ store: asked.store, clock }); // Keeps the store open between.
  const setter = createRuntime(options);
  const due = Math.min(DUE, count);
  const [soon, later] = [SOON_MS, LATER_MS].map((ms) => new Date(clock.now() + ms));
  const set = await taken(async () => {
    for (let from = 0; from < count; from += AT_ONCE)
      await setAll(setter, from, (id) => (id < due ? soon : later));
  });
  await setter.close();
  const first = createRuntime(options); // What the store still refers to of the setter goes.
  await sleep(2_000);
  await first.close();
  const heap = await collected();
  const runtime = createRuntime(options);
  await sleep(2_000); // The first look.
  const before = { ...asked };
  const wait = await taken(() => sleep(WAIT_S * 1_000));
  const waiting = {
    name: count === 0 ? "no timer" : `${count} timers`,
    cpuMs: wait.cpuMs / WAIT_S,
    lists: (asked.lists - before.lists) / WAIT_S,
    loads: (asked.loads - before.loads) / WAIT_S,
    heapKb: ((await collected()) - heap) / 1_024,
  };
  const { lists } = asked;
  clock.move(SOON_MS + 60_000);
  // The moved clock wakes no timer of the platform.
  if (due > 0) while (asked.lists === lists) await sleep(1);
  const fire = await taken(async () => {
    while (fired.length < due) await sleep(5);
  });
  await sleep(2_000);
  const left = [];
  for await (const key of asked.store.list({ prefix: "%due/" })) left.push(key);
  await runtime.close();
  await other.close();
  if (fired.length !== due || new Set(fired).size !== due || left.length !== count - due)
    throw new Error(`${fired.length} timers fired, ${left.length} are left, of ${count}`);
  return { set, fire, waiting };
}

/** Sets timers of as many scopes at once. */
async function setAll(
  runtime: Runtime,
  from: number,
  timeOf: (id: number) => Date | undefined,
): Promise<void> {
  const ids = Array.from({ length: AT_ONCE }, (_, n) => from + n);
  await Promise.all(
    ids.map(async (id) => {
      const scope = await runtime.open("job", String(id));
      await scope.schedule("job", { at: timeOf(id) }, undefined, { key: "job" });
    }),
  );
}

function row({ name, cpuMs, lists, loads, heapKb }: Waiting): string[] {
  return [
    name,
    `${figure(cpuMs)} ms/s`,
    `${figure(lists)}/s`,
    `${figure(loads)}/s`,
    `${figure(heapKb)} KB`,
  ];
}

/** Timers of as many scopes, all due at one time. */
export async function timerSection(store: StoreName, count: number = TIMERS): Promise<Section> {
  const none = await runOf(store, 0);
  const all = await runOf(store, count);
  const goal = (work: string, { wallMs, cpuMs }: Taken, times: number): Goal[] => {
    const each = (ms: number): number => (ms * 1_000) / times;
    return [
      atMost({ id: "T3", work: `${work}, ${store}` }, each(wallMs), 1_000, "µs"),
      atMost({ id: "T3", work: `${work}, ${store}, processor time` }, each(cpuMs), 500, "µs"),
    ];
  };
  return {
    title: `T3: ${count} pending timers, each of its own scope, ${WAYS[store]}`,
    notes: [
      `Waiting: a runtime that has started on the stored timers, over ${WAIT_S} s; its memory is`,
      `what the heap grew by, after collections. Then ${DUE} of them are due at one moment; the`,
      "time of firing begins with the look that finds them: each has fired once, nothing of these",
      "was left in the store, and the others were.",
    ],
    timings: [],
    table: [
      ["while they wait", "processor", "lists", "reads", "memory"],
      row(none.waiting),
      row(all.waiting),
    ],
    goals: [
      ...goal("setting a timer", all.set, count),
      ...goal("firing a due timer", all.fire, Math.min(DUE, count)),
    ],
  };
}
