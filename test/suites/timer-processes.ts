/** Timers of several real processes, on any store they can share: killed, or not. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { openStore } from "../faults/open-store.ts";
import { type Child, startChild } from "../support/child.ts";
import type { MeetingPlace } from "./contention-suite.ts";

/** Nightly runs kill a thousand times. */
const KILLS = process.env["TEST_SCALE"] === "nightly" ? 1_000 : 15;
/** The longest life of a process after its first timer; milliseconds. */
const LONGEST_MS = 150;
/** Processes that are alive at the same time. */
const AT_ONCE = 2;
const PROCESSES = 3;
/** Timers of each process that is not killed, and milliseconds until they are due. */
const DUE = 70;
const START_MS = 1_000;
/** The longest wait for what must happen; milliseconds. */
const END_MS = 60_000;

/** How often each name is counted in the states of all scopes. */
type Counted = ReadonlyMap<string, number>;

/** The data of one test. */
class Site {
  readonly #kind: string;
  readonly #place: string;
  readonly runtime: Runtime;

  constructor({ kind, fresh }: MeetingPlace) {
    this.#kind = kind;
    this.#place = fresh();
    this.runtime = this.open({ timers: {} });
  }

  /** A runtime of this process; timers without a handler are of no interest here. */
  open(options: Parameters<typeof defineKind>[0]): Runtime {
    const logger = { warn: () => undefined, error: () => undefined };
    const store = openStore(this.#kind, this.#place);
    const runtime = createRuntime({ store, kinds: { job: defineKind(options) }, logger });
    onTestFinished(() => runtime.close());
    return runtime;
  }

  child(...args: readonly string[]): Child {
    const started = startChild("timer-worker.ts", [this.#kind, this.#place, ...args]);
    onTestFinished(() => void started.process.kill("SIGKILL"));
    return started;
  }

  async counted(): Promise<Counted> {
    const all = new Map<string, number>();
    for await (const { state } of this.runtime.list({ type: "job", states: true }))
      for (const [name, count] of Object.entries(state))
        all.set(name, (all.get(name) ?? 0) + Number(count));
    return all;
  }

  /** What is counted as soon as `isEnough`, or when `END_MS` is over. */
  async countedUntil(isEnough: (all: Counted) => boolean): Promise<Counted> {
    const end = performance.now() + END_MS;
    let all = await this.counted();
    for (; !isEnough(all) && performance.now() < end; all = await this.counted()) await sleep(50);
    return all;
  }
}

/** Processes whose timers are all due at one time. */
export function timersOnce(place: MeetingPlace): void {
  const name = `${PROCESSES} processes on ${place.kind} share the due timers and fire each once`;
  it(name, { timeout: 2 * END_MS }, async () => {
    const site = new Site(place);
    const children = Array.from({ length: PROCESSES }, () => site.child("due", "", String(DUE)));
    await Promise.all(children.map(({ started }) => started));
    const due = Date.now() + START_MS;
    for (const child of children) child.process.stdin?.write(`${due}\n`);
    await site.countedUntil(({ size }) => size === PROCESSES * DUE);
    for (const child of children) child.begin();
    await Promise.all(children.map(({ closed }) => closed));
    const fired = children.map(({ output }) => Number(output().replace("up\nready\n", "")));
    expect(Math.min(...fired)).toBeGreaterThan(0);
    expect(fired.reduce((sum, each) => sum + each, 0)).toBe(PROCESSES * DUE);
    const all = await site.counted();
    expect(all.size).toBe(PROCESSES * DUE);
    expect(new Set(all.values())).toEqual(new Set([1]));
  });
}

/** Kills processes that set and fire timers; resolves to the numbers of those that were stored. */
async function killAll(site: Site, kills: number): Promise<string[]> {
  const random = seededRandom(31);
  const stored: string[] = [];
  let started = 0;
  const start = (): Child => site.child("endless", String((started += 1)));
  const alive = Array.from({ length: AT_ONCE }, start);
  for (const child of alive) child.begin();
  let next = start();
  for (let kill = 0; kill < kills; kill += 1) {
    const at = Math.floor(random() * alive.length);
    const child = alive[at];
    if (child === undefined) throw new Error("no child");
    await child.started;
    await sleep(random() * LONGEST_MS);
    child.process.kill("SIGKILL");
    expect(await child.closed).toBeNull();
    // The last line may be cut; whole ones end with a line feed.
    stored.push(...child.output().split("\n").slice(0, -1));
    alive[at] = next;
    next.begin();
    next = start();
  }
  for (const child of [...alive, next]) child.process.kill("SIGKILL");
  for (const child of alive) {
    await child.closed;
    stored.push(...child.output().split("\n").slice(0, -1));
  }
  return stored;
}

/** The stored timers that have not fired; a recipe that is part of a state has stored its timer. */
function lost(stored: readonly string[], all: Counted): string[] {
  const noted = [...all.keys()].filter((name) => name.startsWith("set "));
  const set = new Set([...stored, ...noted.map((name) => name.slice("set ".length))]);
  return [...set].filter((number) => !all.has(`fired ${number}`));
}

/** A timer of a cron expression, set before the first kill. */
async function setTicking(site: Site): Promise<void> {
  const runtime = site.open({ timers: { tick: () => undefined } });
  const scope = await runtime.open("job", "ticking");
  await scope.schedule("tick", { cron: "* * * * * *" }, undefined, { key: "tick" });
  await runtime.close();
}

/** Processes that are killed at any point of setting and firing timers. */
export function killTimers(place: MeetingPlace, kills: number = KILLS): void {
  const { kind } = place;
  const timeout = kills * 3_000 + 2 * END_MS;
  it(`no timer on ${kind} is lost over ${kills} kills, and each fires`, { timeout }, async () => {
    const site = new Site(place);
    await setTicking(site);
    const stored = await killAll(site, kills);
    await site.child("rest").started;
    const all = await site.countedUntil((now) => lost(stored, now).length === 0);
    const fired = [...all].filter(([name]) => name.startsWith("fired "));
    const twice = fired.filter(([, count]) => count > 1);
    console.log(
      `${kind}: ${kills} kills, ${fired.length} timers fired, ${twice.length} of them again, ` +
        `${lost(stored, all).length} lost, ${all.get("ticks")} ticks`,
    );
    expect(lost(stored, all)).toEqual([]);
    expect(stored.length).toBeGreaterThan(kills);
    expect(all.get("ticks")).toBeGreaterThan(0);
    const ticking = await site.runtime.open("job", "ticking");
    expect(await ticking.timers()).toMatchObject([{ key: "tick", name: "tick" }]);
  });
}
