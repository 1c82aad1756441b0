/** What a test of the runtime works with: stores on the same data, runtimes on them, a quiet log. */
import { randomUUID } from "node:crypto";
import { expect, onTestFinished } from "vitest";
import type { Clock, ExclusiveLease, ExclusiveWait } from "../../actors/protocol.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { residentOf } from "../../src/runtime/handle.ts";
import { createGate } from "../../src/stores/shared/closable.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { keepingLogger } from "../support/waiting.ts";

/** How the suite reaches a store. */
export interface RuntimeStores {
  readonly name: string;
  /** A store on the data named `id`. */
  open(id: string, clock: Clock | undefined): StateStore;
  /** True when two stores may be open on the same data; otherwise all share one. */
  readonly several?: boolean;
  /** True when the store goes by its server's clock, which no test can turn. */
  readonly ownClock?: boolean;
}

/** A state most tests use. */
export interface Counter {
  n?: number;
  list?: number[];
  text?: string;
}

/** A kind that is written behind its back. */
const DRAFT: Kind = defineKind({ durability: "checkpoint" });

/** The `erase` and the `history` of a store, if it has them. */
function erasing(inner: StateStore): Pick<StateStore, "erase" | "history"> {
  return {
    ...(inner.erase !== undefined && { erase: inner.erase.bind(inner) }),
    ...(inner.history !== undefined && { history: inner.history.bind(inner) }),
  };
}

/** A store object of its own on shared data: closing it leaves the data open for the next. */
export function sharingStore(inner: StateStore): StateStore {
  const gate = createGate(inner.name);
  const exclusive = inner.exclusive?.bind(inner);
  function turnOf<T>(
    key: string,
    ttlMs: number,
    turn: (lease?: ExclusiveLease) => Promise<T>,
    wait?: ExclusiveWait,
  ): Promise<T> {
    return gate.run(() => exclusive?.(key, ttlMs, turn, wait) ?? turn());
  }
  return {
    name: inner.name,
    supports: inner.supports,
    load: (keys) => gate.run(() => inner.load(keys)),
    commit: (writes, options) => gate.run(() => inner.commit(writes, options)),
    async *list(query) {
      gate.check();
      yield* inner.list(query);
    },
    ...(exclusive === undefined ? {} : { exclusive: turnOf }),
    ...erasing(inner),
    close: () => gate.close(() => undefined),
  };
}

/** The data of one test, and the runtimes on it; all are closed after it. */
export class World {
  readonly id: string = randomUUID();
  readonly clock: Clock | undefined;
  readonly logger: ReturnType<typeof keepingLogger> = keepingLogger();
  readonly #stores: RuntimeStores;
  #base: StateStore | undefined;

  constructor(stores: RuntimeStores, clock?: Clock) {
    this.#stores = stores;
    this.clock = clock;
    onTestFinished(() => this.#base?.close());
  }

  /** One more store object on the data. */
  store(): StateStore {
    const { clock, id } = this;
    if (this.#stores.several === true) return this.#stores.open(id, clock);
    this.#base ??= this.#stores.open(id, clock);
    return sharingStore(this.#base);
  }

  /** Two runtimes on the data: of two processes, or on one store object when there is only one. */
  pair(options: RuntimeOptions = {}): [Runtime, Runtime] {
    const store = this.store();
    const other = this.#stores.several === true ? this.store() : store;
    return [this.runtime({ ...options, store }), this.runtime({ ...options, store: other })];
  }

  /** One more runtime on the data. */
  runtime(options: RuntimeOptions = {}): Runtime {
    const clock = this.clock === undefined ? {} : { clock: this.clock };
    const runtime = createRuntime({
      store: this.store(),
      logger: this.logger,
      ...clock,
      ...options,
      kinds: { ...options.kinds, draft: DRAFT },
    });
    onTestFinished(async () => {
      // A test that closes on its own has seen how that ended.
      await runtime.close({ drainMs: 0 }).catch(() => undefined);
    });
    return runtime;
  }
}

/** A store whose calls can be kept waiting and made to fail. */
export interface SteeredStore extends StateStore {
  /** Called before each call reaches the store; throws to refuse it, waits to delay it. */
  before: (operation: "load" | "commit", keys: readonly string[]) => void | Promise<void>;
  /** How many writes went through. */
  writes: number;
}

/** Puts a hand on the calls of `inner`. */
export function steer(inner: StateStore): SteeredStore {
  const exclusive = inner.exclusive?.bind(inner);
  const watch = inner.watch?.bind(inner);
  const steered: SteeredStore = {
    name: inner.name,
    supports: inner.supports,
    before: () => undefined,
    writes: 0,
    async load(keys) {
      await steered.before("load", keys);
      return inner.load(keys);
    },
    async commit(writes, options) {
      await steered.before(
        "commit",
        writes.map(({ key }) => key),
      );
      const results = await inner.commit(writes, options);
      // The answers to checks follow.
      steered.writes += results.slice(0, writes.length).filter(({ ok }) => ok).length;
      return results;
    },
    list: (query) => inner.list(query),
    ...(exclusive === undefined ? {} : { exclusive }),
    ...(watch === undefined ? {} : { watch }),
    ...erasing(inner),
    close: () => inner.close(),
  };
  return steered;
}

/** Asserts that two handles stand for one live scope. */
export function sameScope(one: unknown, other: unknown): void {
  expect(residentOf(one)).toBeDefined();
  expect(residentOf(one)).toBe(residentOf(other));
}

/** One increment by an atomic mutator. */
export function add(state: DeepReadonly<Counter>): Counter {
  return { n: (state.n ?? 0) + 1 };
}
