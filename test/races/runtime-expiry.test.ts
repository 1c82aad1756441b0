/**
 * States that end, by simulation: two runtimes, a store that fails, time that passes with its
 * timers or is set, and calls that wait for each other. Nothing that is over is ever given to
 * anybody: not to a reader, a mutator, a transaction, nor to who opens the scope. A failing run
 * says its seed.
 */
import { expect, it } from "vitest";
import { defineKind, type Durability } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { type FaultKind, faultyStore } from "../../src/testing/faulty-store.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { sharingStore } from "../suites/runtime-world.ts";
import { keepingLogger, settled } from "../support/waiting.ts";

const SEEDS = process.env["TEST_SCALE"] === "nightly" ? 2_000 : 40;
const STEPS = 60;
const RATES: Readonly<Partial<Record<FaultKind, number>>> = {
  fail: 0.1,
  lost: 0.05,
  unknown: 0.05,
  conflict: 0.05,
  duplicate: 0.05,
  slow: 0.2,
  hold: 0.02,
};

interface Mortal {
  readonly id?: number;
  readonly end?: number;
}

class Simulation {
  readonly seed: number;
  readonly durability: Durability;
  readonly clock = simulatedClock(1_000_000);
  readonly random: () => number;
  readonly store: ReturnType<typeof faultyStore>;
  readonly runtimes: Runtime[];
  readonly waits: Promise<unknown>[] = [];
  readonly versions = new Map<Scope<Mortal>, number>();
  readonly faults: string[] = [];
  /** What was stored at some time; a mutator may also be given what is still to be. */
  readonly confirmed = new Set<unknown>();
  made = 0;
  looks = 0;

  constructor(seed: number, durability: Durability) {
    this.seed = seed;
    this.durability = durability;
    this.random = seededRandom(seed);
    const inner = memoryStore({ clock: this.clock });
    this.store = faultyStore(inner, { rates: RATES, seed, clock: this.clock, slowMs: 800 });
    const livesUntil = (state: object): number => (state as Mortal).end ?? 0;
    const kinds = { mortal: defineKind({ durability, livesUntil }) };
    this.runtimes = [0, 1].map(() =>
      createRuntime({
        store: sharingStore(this.store),
        clock: this.clock,
        logger: keepingLogger(),
        mutationTimeoutMs: 5_000,
        kinds,
      }),
    );
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** A state that somebody was given now. */
  look({ id, end = Infinity }: Mortal, who: string): void {
    this.looks += end === Infinity ? 0 : 1;
    if (end <= this.clock.now() && this.confirmed.has(id))
      this.faults.push(`seed ${this.seed}: ${who} got what is over`);
  }

  next(): Mortal {
    return { id: (this.made += 1), end: this.clock.now() + 200 + this.below(2_000) };
  }

  async open(): Promise<Scope<Mortal> | undefined> {
    const runtime = this.runtimes[this.below(2)];
    const id = this.below(2) === 0 ? "a" : "b";
    const scope = await runtime?.open<Mortal>("mortal", id).catch(() => undefined);
    if (scope !== undefined) this.look(scope.state, "who opened it");
    return scope;
  }

  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.clock.setTimeout(resolve, ms));
  }

  async step(): Promise<void> {
    const scope = await this.open();
    if (scope === undefined) return;
    if (!this.versions.has(scope)) {
      this.versions.set(scope, scope.version);
      scope.subscribe(({ version }) => {
        const isBack = version < (this.versions.get(scope) ?? 0);
        // What is only in memory gives way to the store, so that a checkpoint scope may go back.
        if (isBack && this.durability !== "checkpoint")
          this.faults.push(`seed ${this.seed}: a version went back`);
        this.versions.set(scope, version);
        this.confirmed.add(scope.state.id);
        this.look(scope.state, "a listener");
      });
    }
    const action = this.below(7);
    if (action === 0) await scope.refresh();
    else if (action === 1) await this.both(scope.identity.id);
    else if (action === 2) this.look(await scope.read(), "a verified read");
    else if (action === 3) await scope.atomicState((state) => this.change(state));
    else if (action === 4)
      await scope.atomicState(async (state) => {
        this.look(state, "a slow mutator");
        await this.wait(this.below(400));
        return this.below(2) === 0 ? {} : this.next();
      });
    this.look(scope.state, "a reader");
    const { value } = await scope.changes({ since: -1 })[Symbol.asyncIterator]().next();
    if (value?.type === "snapshot") this.look(value.state, "a reader of the feed");
  }

  change(state: Mortal): Mortal {
    this.look(state, "a mutator");
    return this.next();
  }

  async both(id: string): Promise<void> {
    const runtime = this.runtimes[this.below(2)];
    if (runtime === undefined) return;
    const own = await runtime.open<Mortal>("mortal", id);
    const other = await runtime.open<Mortal>("mortal", "c");
    let runs = 0;
    await runtime.transaction([own, other], (mine, theirs) => {
      runs += 1;
      // The part of a checkpoint scope runs again on the other's state as it was (G9).
      if (runs === 1 || this.durability !== "checkpoint") {
        this.look(mine, "a transaction");
        this.look(theirs, "a transaction");
      }
      Object.assign(mine, this.next());
      Object.assign(theirs, this.next());
    });
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step += 1) {
      this.waits.push(this.step().catch(() => undefined)); // What the store did to it.
      await settled(2);
      if (this.below(2) === 0) await this.clock.advance(this.below(600));
      if (this.below(12) === 0) this.clock.setTime(this.clock.now() + this.below(3_000));
      if (this.below(20) === 0) this.store.release();
    }
    this.store.calm();
    this.store.release();
    await this.clock.advance(60_000);
    await Promise.all(this.waits);
    const closing = Promise.allSettled(this.runtimes.map((runtime) => runtime.close()));
    const closed = closing.then(() => true);
    const time = async (): Promise<boolean> => {
      // What still waits for another try is given the time for it, and no more than a limit.
      for (let second = 0; second < 60; second += 1) await this.clock.advance(1_000);
      return false;
    };
    const isClosed = await Promise.race([closed, time()]);
    if (!isClosed) this.faults.push(`seed ${this.seed}: a runtime does not close`);
  }
}

it.each(["volatile", "checkpoint", "commit"] as const)(
  "nobody is given a %s state that is over",
  { timeout: 600_000 },
  async (durability) => {
    let looks = 0;
    const faults: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const simulation = new Simulation(seed, durability);
      await simulation.run();
      looks += simulation.looks;
      faults.push(...simulation.faults);
    }
    expect(faults).toEqual([]);
    expect(looks).toBeGreaterThan(SEEDS * STEPS);
  },
);
