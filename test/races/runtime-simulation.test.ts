/**
 * P10 and its neighbours by simulation: two runtimes, a store that fails in every way a store may,
 * time under control, and a random mix of everything a caller can do. Every run is named by its
 * seed; a failing one says it.
 */
import { describe, expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { type FaultKind, faultyStore } from "../../src/testing/faulty-store.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { sharingStore } from "../suites/runtime-world.ts";
import { keepingLogger, settled } from "../support/waiting.ts";

const SEEDS = process.env["TEST_SCALE"] === "nightly" ? 100_000 : 500;
const STEPS = 40;
const RATES: Readonly<Partial<Record<FaultKind, number>>> = {
  fail: 0.04,
  lost: 0.04,
  unknown: 0.03,
  conflict: 0.06,
  duplicate: 0.06,
  torn: 0.03,
  slow: 0.1,
  hold: 0.03,
};
const SCOPES = ["a", "b", "c"];

interface Log {
  readonly log?: readonly number[];
}

/** One call and how it ended. */
interface Call {
  readonly id: number;
  readonly scopes: readonly string[];
  readonly owner: number;
  end: "open" | "done" | "unknown" | "refused";
  error?: unknown;
}

class Simulation {
  readonly clock = simulatedClock(1);
  readonly random: () => number;
  readonly inner = memoryStore({ clock: this.clock });
  readonly store: ReturnType<typeof faultyStore>;
  readonly runtimes: Runtime[];
  readonly calls: Call[] = [];
  readonly versions: string[] = [];
  readonly waits: Promise<unknown>[] = [];
  /** Checkpoint scopes by their owner: what was answered, in order. */
  readonly answered: number[][] = [[], []];
  readonly closed = new Set<number>();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.store = faultyStore(this.inner, { rates: RATES, seed, clock: this.clock, slowMs: 80 });
    this.runtimes = [0, 1].map(() => this.runtime(sharingStore(this.store)));
  }

  runtime(store = sharingStore(this.inner)): Runtime {
    const kinds = { behind: defineKind({ durability: "checkpoint" as const }) };
    const { clock } = this;
    const logger = keepingLogger();
    const tuning = { mutationTimeoutMs: 200, maxResidentScopes: 2, passivateAfterMs: 300 };
    return createRuntime({ store, clock, kinds, logger, ...tuning });
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T; // In range by construction.
  }

  /** Makes a call on scopes and notes its end. */
  call(scopes: readonly string[], work: (id: number, call: Call) => Promise<unknown>): void {
    const call: Call = { id: this.calls.length, scopes, owner: 0, end: "open" };
    this.calls.push(call);
    const note = async (): Promise<void> => {
      try {
        await work(call.id, call);
        call.end = "done";
      } catch (error) {
        call.error = error;
        call.end = isHoldfastError(error, "COMMIT_UNKNOWN") ? "unknown" : "refused";
      }
    };
    this.waits.push(note());
  }

  async step(): Promise<void> {
    const dice = this.random();
    const runtime = this.pick(this.runtimes);
    const name = this.pick(SCOPES);
    if (dice < 0.55) this.mutate(runtime, name);
    else if (dice < 0.67) this.transact(runtime);
    else if (dice < 0.75) this.checkpoint(Math.floor(this.random() * 2));
    else if (dice < 0.79) this.quietly(async () => (await runtime.open("user", name)).stop());
    else if (dice < 0.83) this.quietly(async () => (await runtime.open("user", name)).refresh());
    else if (dice < 0.84) this.close(Math.floor(this.random() * 2));
    else if (dice < 0.88) this.store.release();
    else await this.clock.advance(Math.floor(this.random() * 120));
  }

  quietly(work: () => Promise<unknown>): void {
    this.waits.push(work().catch(() => undefined));
  }

  close(at: number): void {
    this.closed.add(at);
    this.quietly(() => this.runtimes[at]?.close() ?? Promise.resolve());
  }

  mutate(runtime: Runtime, name: string): void {
    const control = new AbortController();
    const [kind, how] = [this.random(), this.random()];
    this.call([name], async (id) => {
      const scope = await runtime.open<Log>("user", name);
      const options = { signal: control.signal, ...(how < 0.2 ? { timeoutMs: 30 } : {}) };
      const change = ({ log = [] }: Log): Log => ({ log: [...log, id] });
      if (kind < 0.4) return scope.atomicState(change, options);
      if (kind < 0.6) return scope.atomicState(async (state) => change(state), options);
      if (kind < 0.7) return scope.atomicState(() => new Promise(() => undefined), options);
      if (kind < 0.85) return scope.pushState("log", id, options);
      return scope.update((draft) => void (draft.log = [...(draft.log ?? []), id]), options);
    });
    if (how > 0.85)
      this.clock.setTimeout(() => control.abort(new Error("enough")), Math.floor(how * 100) - 80);
  }

  transact(runtime: Runtime): void {
    const names = [this.pick(SCOPES), this.pick(SCOPES)];
    const isSlow = this.random() < 0.5;
    this.call([...new Set(names)], async (id) => {
      const scopes = await Promise.all(
        [...new Set(names)].map((name) => runtime.open<Log>("user", name)),
      );
      return runtime.transaction(scopes, (...drafts) => {
        for (const draft of drafts) draft.log = [...(draft.log ?? []), id];
        return isSlow ? Promise.resolve() : undefined;
      });
    });
  }

  checkpoint(owner: number): void {
    this.quietly(async () => {
      const id = this.calls.length * 1_000 + this.waits.length;
      const scope = await this.runtimes[owner]?.open<Log>("behind", `own-${owner}`);
      if (scope === undefined) return;
      await scope.atomicState(({ log = [] }) => ({ log: [...log, id] }));
      this.answered[owner]?.push(id);
      if (id % 3 === 0) await scope.flush();
    });
  }

  /** Watches that versions of a scope only grow, as each runtime tells it. */
  watch(): void {
    for (const [at, runtime] of this.runtimes.entries()) {
      const last = new Map<string, number>();
      runtime.subscribe(({ scope, version, operation }) => {
        const key = `${scope.type}/${scope.id}`;
        const before = last.get(key) ?? 0;
        if (version <= before) this.versions.push(`${at} ${key} ${before}→${version} ${operation}`);
        last.set(key, version);
      });
    }
  }

  async run(): Promise<void> {
    this.watch();
    for (let step = 0; step < STEPS; step += 1) await this.step();
    this.store.calm();
    for (let round = 0; round < 20; round += 1) {
      await this.clock.advance(500);
      await settled(2);
    }
  }
}

/** Everybody was answered, in words of the library or of the caller, and versions only grew. */
function checkAnswers({ calls, versions }: Simulation): void {
  expect(calls.filter(({ end }) => end === "open")).toEqual([]);
  expect(versions).toEqual([]);
  for (const { error } of calls)
    if (error !== undefined && !isHoldfastError(error))
      expect(error).toMatchObject({ message: "enough" });
}

/** What is stored is what was answered. */
async function checkRecords({ calls }: Simulation, reader: Runtime): Promise<void> {
  const logs = new Map<string, readonly number[]>();
  for (const name of SCOPES) {
    const { state, version } = await reader.open<Log>("user", name);
    const log = state.log ?? [];
    logs.set(name, log);
    expect(version, "one version per change").toBe(log.length);
    expect(new Set(log).size, "nothing twice").toBe(log.length);
  }
  for (const { id, end, scopes, error } of calls) {
    const found = scopes.filter((name) => logs.get(name)?.includes(id) === true).length;
    if (end === "done") expect(found, `answered call ${id}`).toBe(scopes.length);
    else if (end === "refused") expect(found, `call ${id}: ${String(error)}`).toBe(0);
    else expect([0, scopes.length], `call ${id} in all scopes or none`).toContain(found);
  }
}

async function check(simulation: Simulation): Promise<void> {
  checkAnswers(simulation);
  const reader = simulation.runtime();
  await checkRecords(simulation, reader);
  for (const [owner, answered] of simulation.answered.entries()) {
    if (simulation.closed.has(owner)) continue;
    const scope = await simulation.runtimes[owner]?.open<Log>("behind", `own-${owner}`);
    await scope?.flush();
    const stored = await reader.open<Log>("behind", `own-${owner}`);
    expect(stored.state.log ?? [], "answered checkpoints").toEqual(answered);
  }
}

describe("a simulated life of two runtimes", () => {
  it(
    `P10 leaves nobody without an answer and loses nothing, ${SEEDS} seeds`,
    { timeout: 3_600_000 },
    async () => {
      const kinds = new Set<FaultKind>();
      const ends = new Map<string, number>();
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const simulation = new Simulation(seed);
        try {
          await simulation.run();
          await check(simulation);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
        for (const [at, runtime] of simulation.runtimes.entries())
          // One closed while the store failed has said so then, and says it again.
          if (!simulation.closed.has(at)) await runtime.close();
        for (const { kind } of simulation.store.faults) kinds.add(kind);
        for (const { end } of simulation.calls) ends.set(end, (ends.get(end) ?? 0) + 1);
      }
      expect(kinds.size).toBeGreaterThanOrEqual(6);
      // The runs are worth something only if every end occurs often.
      for (const end of ["done", "unknown", "refused"])
        expect(ends.get(end)).toBeGreaterThan(SEEDS);
    },
  );
});
