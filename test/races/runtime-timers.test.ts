/**
 * Two runtimes set, replace and fire timers of the same checkpoint and commit scopes, by changes,
 * sections and transactions at once. Each timer fires once, and none is late.
 */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { sqliteStore } from "../../src/stores/sqlite/store.ts";
import { type SimulatedClock, simulatedClock } from "../../src/testing/clock.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { testDirectory } from "../support/directory.ts";
import { keepingLogger, settled, turned } from "../support/waiting.ts";

const files = testDirectory("timers");
const SCALE = process.env["TEST_SCALE"] === "nightly" ? 50 : 1;
const ROUNDS = 30;
const POLL_MS = 100;
/** The longest time from when a timer is due: looks of both runtimes, and retries of its ledger. */
const LATE_MS = 2_500;

interface Count {
  readonly n: number;
}
type Timed = Scope<Count, "remind">;

class Simulation {
  readonly random: () => number;
  readonly clock: SimulatedClock;
  readonly logger = keepingLogger();
  readonly due = new Map<string, number>();
  readonly fired: string[] = [];
  readonly late: string[] = [];
  readonly runtimes: readonly Runtime[];

  constructor(seed: number, clock: SimulatedClock, open: () => StateStore) {
    this.random = seededRandom(seed);
    this.clock = clock;
    const { logger, random } = this;
    const kind = (durability: "checkpoint" | "commit") =>
      defineKind<Count, "remind">({
        durability,
        initial: { n: 0 },
        timers: { remind: (scope, { key }) => this.#fire(scope, key) },
      });
    const kinds = { late: kind("checkpoint"), soon: kind("commit") };
    const watch = random() < 0.5;
    const settings = { clock, logger, random, watch, kinds, timers: { pollMs: POLL_MS } };
    this.runtimes = [0, 1].map(() => createRuntime({ ...settings, store: open() }));
  }

  async #fire(scope: Pick<Timed, "incState">, key: string): Promise<void> {
    this.fired.push(key);
    if (this.clock.now() - (this.due.get(key) ?? 0) > LATE_MS) this.late.push(key);
    if (this.random() < 0.5) await scope.incState({ n: 1 });
  }

  pick<T>(choices: readonly T[]): T {
    // There is at least one.
    return choices[Math.floor(this.random() * choices.length)] as T;
  }

  /** One call that sets timers, each with a key of its own. */
  async call(runtime: Runtime): Promise<unknown> {
    const [type, other] = this.pick([
      ["late", "soon"],
      ["late", "soon"],
      ["soon", "late"],
    ] as const);
    const id = this.pick(["a", "b"]);
    const scope: Timed = await runtime.open(type, id);
    const second: Timed = await runtime.open(other, id);
    const third: Timed = await runtime.open("late", id === "a" ? "b" : "a");
    const afterMs = Math.floor(this.random() * 3_000);
    const added = () => {
      const key = String(this.due.size);
      this.due.set(key, this.clock.now() + afterMs);
      return { key };
    };
    const [one, two, when] = [added(), added(), { afterMs }];
    const choices = [
      async () => {
        await scope.schedule("remind", when, 0, one);
        await scope.update((_, { schedule }) => void schedule("remind", when, 0, two));
      },
      () =>
        scope.update((draft, { schedule }) => {
          for (const key of [one, two]) schedule("remind", when, 0, key);
          draft.n += 1;
        }),
      () =>
        runtime.transact([scope, second], ([first, next], { schedule }) => {
          schedule(scope, "remind", when, 0, one);
          schedule(second, "remind", when, 0, two);
          if (first !== undefined && next !== undefined) first.n = next.n += 1;
        }),
      () =>
        runtime.transact([scope, third], (_, { schedule }) => {
          schedule(scope, "remind", when, 0, one);
          schedule(third, "remind", when, 0, two);
        }),
      () =>
        scope.exclusive(async (held) => {
          await held.incState({ n: 1 });
          for (const key of [one, two]) await held.schedule("remind", when, 0, key);
        }),
    ];
    return this.pick(choices)();
  }

  async run(): Promise<void> {
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const runtime of this.runtimes) if (this.random() < 0.8) calls.push(this.call(runtime));
      if (this.random() < 0.5) await settled(3);
      if (this.random() < 0.5) await this.clock.advance(Math.floor(this.random() * 100));
    }
    await turned(this.clock, Promise.all(calls));
    const { due, fired } = this;
    const over = async (): Promise<void> => {
      while (fired.length < due.size && this.clock.now() < Math.max(...due.values()) + LATE_MS)
        await settled(4);
    };
    await turned(this.clock, over());
    await turned(this.clock, Promise.all(this.runtimes.map((runtime) => runtime.close())));
    expect(fired.toSorted()).toEqual([...due.keys()].toSorted());
    expect(this.late).toEqual([]);
    expect(this.logger.lines).toEqual([]);
  }
}

it.each([
  [
    "memory",
    12,
    (clock: SimulatedClock) => {
      const store = memoryStore({ clock });
      return () => store;
    },
  ],
  [
    "sqlite",
    2,
    (clock: SimulatedClock) => {
      const path = `${files}/${randomUUID()}.db`;
      return () => sqliteStore({ path, clock });
    },
  ],
] as const)(
  "timers on %s fire once and in time",
  { timeout: 120_000 * SCALE },
  async (_name, seeds, opener) => {
    for (let seed = 1; seed <= seeds * SCALE; seed += 1) {
      const clock = simulatedClock(Date.UTC(2026, 0, 1));
      const simulation = new Simulation(seed, clock, opener(clock));
      await simulation.run().catch((cause: unknown) => {
        throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
      });
    }
  },
);
