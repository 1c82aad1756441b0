/**
 * Several runtimes change one checkpoint scope on a store that fails in every way a store may. What
 * they answered is stored, each change once, except for what they report as unknown (E1, E5).
 */
import { expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { applyPatches } from "../../actors/state/patches.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { residentOf } from "../../src/runtime/handle.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { type FaultKind, faultyStore } from "../../src/testing/faulty-store.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { watchedStores } from "../support/watched-store.ts";
import { type LogLine, keepingLogger, settled } from "../support/waiting.ts";

const SEEDS = process.env["TEST_SCALE"] === "nightly" ? 20_000 : 200;
const CHANGES = 25;
const CLOSES = 50;
type Rates = Readonly<Partial<Record<FaultKind, number>>>;
const KNOWN: Rates = { fail: 0.1, conflict: 0.06, duplicate: 0.06, slow: 0.1 };
/** Every other history also has writes of unknown outcome. */
const RATES: readonly Rates[] = [KNOWN, { ...KNOWN, lost: 0.05, unknown: 0.03, torn: 0.03 }];
const UNKNOWN = "it is unknown whether another writer built on resolved changes";
const KINDS = { draft: defineKind<Ids>({ durability: "checkpoint", initial: {} }) };

interface Ids {
  readonly ids?: readonly number[];
}

class Simulation {
  readonly clock = simulatedClock(1);
  readonly random: () => number;
  readonly logger = keepingLogger();
  readonly stores: ReturnType<typeof faultyStore>[] = [];
  readonly answered: number[] = [];
  readonly line = watchedStores(memoryStore({ clock: this.clock }));
  /** How often a change was made again. */
  rebased = 0;
  #last = 0;

  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  /** A writer of its own, which is notified of the others' commits or is not. */
  runtime(): Runtime {
    const { clock, logger, random } = this;
    const seed = this.seed * 10 + this.stores.length;
    const rates = RATES[this.seed % 2] ?? KNOWN;
    const store = faultyStore(this.line.open(), { rates, seed, clock, slowMs: 40 });
    this.stores.push(store);
    const cas = { maxRetries: 2, jitter: "full" as const };
    return createRuntime({
      store,
      clock,
      logger,
      random,
      cas,
      kinds: KINDS,
      watch: random() < 0.5,
    });
  }

  /** One change with an id of its own, kept when it was answered. */
  async change(scope: Scope<Ids>): Promise<void> {
    this.#last += 1;
    const id = this.#last;
    const choices = [
      () => scope.pushState("ids", id),
      () => scope.update((draft) => void (draft.ids = [...(draft.ids ?? []), id])),
      () =>
        scope.atomicState(async ({ ids = [] }, { attempt }) => {
          if (attempt > 1) this.rebased += 1;
          return Promise.resolve({ ids: [...ids, id] });
        }),
    ];
    const choice = choices[Math.floor(this.random() * choices.length)];
    await choice?.().then(
      () => void this.answered.push(id),
      // A scope that has to read first passes on why it could not; then nothing was done.
      (error: unknown) => expect(isHoldfastError(error), String(error)).toBe(true),
    );
  }

  async writer(runtime: Runtime): Promise<void> {
    const scope = await opened(runtime);
    watch(scope);
    for (let done = 0; done < CHANGES; done += 1) {
      await this.change(scope);
      const choice = this.random();
      if (choice < 0.4) await settled(1);
      else if (choice < 0.5) await scope.flush().catch(() => undefined);
      else if (choice < 0.6) await scope.refresh().catch(() => undefined);
    }
    await stored(scope, runtime);
  }

  /** Lets everything happen, and gives the ids that are stored in the end. */
  async run(): Promise<readonly number[]> {
    const runtimes = Array.from({ length: 2 + (this.seed % 3) }, () => this.runtime());
    const over = new AbortController();
    const all = Promise.all(runtimes.map((runtime) => this.writer(runtime)));
    all.then(
      () => over.abort(),
      () => over.abort(),
    );
    while (!over.signal.aborted) await this.clock.advance(10);
    await all;
    const reader = createRuntime({ store: this.line.open(), kinds: KINDS, logger: this.logger });
    const { state } = await reader.open<Ids>("draft", "d");
    await reader.close();
    return state.ids ?? [];
  }
}

/** Opening needs the store. */
async function opened(runtime: Runtime): Promise<Scope<Ids>> {
  for (;;) {
    const scope = await runtime.open<Ids>("draft", "d").catch(() => undefined);
    if (scope !== undefined) return scope;
  }
}

/**
 * Flushes until the store has taken it, then closes. What turned out to be unknown between the last
 * flush and the end rejects `close`; it is in the log, where it is counted.
 */
async function stored(scope: Scope<Ids>, runtime: Runtime): Promise<void> {
  for (let tries = 0; residentOf(scope)?.isStored !== true; tries += 1) {
    expect(tries).toBeLessThan(CLOSES);
    await scope.flush().catch(() => undefined);
  }
  await runtime.close().catch((error: unknown) => {
    if (!isHoldfastError(error, "COMMIT_UNKNOWN")) throw error;
  });
}

/** Versions rise, and patches lead from state to state. */
function watch(scope: Scope<Ids>): void {
  let state: object = scope.state;
  let { version } = scope;
  scope.subscribe((change) => {
    expect(change.version).toBeGreaterThan(version);
    ({ version } = change);
    state = applyPatches(state, change.patches);
    expect(state).toEqual(scope.state);
  });
}

function unknownIn(lines: readonly LogLine[]): number {
  return lines
    .filter(({ message }) => message === UNKNOWN)
    .reduce((sum, { fields }) => sum + Number(fields?.["operations"]), 0);
}

it(
  `E1 E5 ${SEEDS} histories of checkpoint scopes lose and double nothing in silence`,
  { timeout: 3_600_000 },
  async () => {
    let rebased = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const simulation = new Simulation(seed);
      const ids = await simulation.run();
      const { answered, logger } = simulation;
      expect(new Set(ids).size, `seed ${seed}: each once`).toBe(ids.length);
      const kept = new Set(ids);
      const missing = answered.filter((id) => !kept.has(id)).length;
      const unknown = unknownIn(logger.lines);
      expect(missing, `seed ${seed}: missing`).toBeLessThanOrEqual(unknown);
      expect(ids.length, `seed ${seed}: stored`).toBeLessThanOrEqual(answered.length);
      if (seed % 2 === 0) expect(unknown, `seed ${seed}: unknown`).toBe(0);
      rebased += simulation.rebased;
    }
    expect(rebased).toBeGreaterThan(SEEDS);
  },
);
