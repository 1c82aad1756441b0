/** A store with injected faults: refused, lost, late, duplicated or partial calls. */
import { optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";
import type { CommitOptions, ScopeWrite, StateStore, WriteResult } from "../stores/contract.ts";
import { type Random, seededRandom } from "./random.ts";

/**
 * What happens to one call.
 *
 * - `fail`: it has no effect and rejects with `StoreUnavailableError`.
 * - `lost`: it takes effect, but rejects with `CommitUnknownError`.
 * - `unknown`: it has no effect and rejects with `CommitUnknownError`.
 * - `lostPlain`: it takes effect and rejects with a plain `Error`, which a store must never do.
 * - `conflict`: it has no effect, and every write is a conflict with the stored record.
 * - `duplicate`: it runs twice, as over a network that repeats; the first result counts.
 * - `torn`: the first half of a batch takes effect, then it rejects with `CommitUnknownError`.
 * - `hold`: it waits for `release`, then runs.
 * - `slow`: it waits up to `slowMs` on the plan's clock, then runs.
 *
 * Only `fail`, `hold` and `slow` affect a load or a commit of checks alone. Checks beside writes
 * share the fault of the writes; with `conflict` they run and return their results.
 */
export type FaultKind =
  | "fail"
  | "lost"
  | "unknown"
  | "lostPlain"
  | "conflict"
  | "duplicate"
  | "torn"
  | "hold"
  | "slow";

/** A call that is about to run. */
export interface FaultCall {
  /** `check`: a commit of checks alone. */
  readonly operation: "load" | "commit" | "check";
  /** Counts the calls of this operation, from 1. */
  readonly number: number;
  /** What is read, written or checked. */
  readonly keys: readonly string[];
  /** What is checked beside the writes of a commit. */
  readonly checked?: readonly string[];
}

/** Which calls fail, and how. */
export interface FaultPlan {
  /** Decides for one call; `undefined`: `rates` decide. */
  readonly choose?: (call: FaultCall) => FaultKind | undefined;
  /** Probability of each fault per call, drawn from `seed`. */
  readonly rates?: Readonly<Partial<Record<FaultKind, number>>> | undefined;
  /** The seed of the random faults; default 1. */
  readonly seed?: number | undefined;
  /** Needed for `slow`. */
  readonly clock?: Clock | undefined;
  /** Longest wait of a `slow` call; milliseconds, default 50. */
  readonly slowMs?: number | undefined;
}

const PLAN_NAMES = optionNames<FaultPlan>({
  choose: true,
  rates: true,
  seed: true,
  clock: true,
  slowMs: true,
});
const FAULT_KINDS = optionNames<Record<FaultKind, number>>({
  fail: true,
  lost: true,
  unknown: true,
  lostPlain: true,
  conflict: true,
  duplicate: true,
  torn: true,
  hold: true,
  slow: true,
});

/** A store with faults, and the methods that control them. */
export interface FaultyStore extends StateStore {
  /** The faults so far, in order. */
  readonly faults: readonly (FaultCall & { readonly kind: FaultKind })[];
  /** Resumes every waiting call; returns how many there were. */
  release(): number;
  /** Stops all faults from here on and resumes waiting calls. */
  calm(): void;
}

const SLOW_MS = 50;

type CommitFault = (
  inner: StateStore,
  writes: readonly ScopeWrite[],
  options: CommitOptions | undefined,
) => Promise<WriteResult[]>;

function pick(rates: FaultPlan["rates"], random: Random): FaultKind | undefined {
  if (rates === undefined) return undefined;
  let left = random();
  for (const [kind, rate] of Object.entries(rates)) {
    left -= rate;
    // The keys of `rates` are fault kinds by its type.
    if (left < 0) return kind as FaultKind;
  }
  return undefined;
}

async function currentOf(
  inner: StateStore,
  writes: readonly ScopeWrite[],
  { checks = [] }: CommitOptions = {},
): Promise<WriteResult[]> {
  const records = await inner.load(writes.map((write) => write.key));
  const checked = checks.length === 0 ? [] : await inner.commit([], { checks });
  return [...records.map((current) => ({ ok: false, current }) as const), ...checked];
}

/** Decides and records what happens to each call. */
class FaultSource {
  readonly faults: (FaultCall & { kind: FaultKind })[] = [];
  readonly #plan: FaultPlan;
  readonly #random: Random;
  readonly #counts = { load: 0, commit: 0, check: 0 };
  #waiting: (() => void)[] = [];
  #isCalm = false;

  constructor(plan: FaultPlan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed ?? 1);
  }

  /** The fault of the next call, after its wait if it has one. */
  async next(asked: Omit<FaultCall, "number">): Promise<FaultKind | undefined> {
    this.#counts[asked.operation] += 1;
    const call: FaultCall = { ...asked, number: this.#counts[asked.operation] };
    // Drawn also when calm or chosen, so that the rest of the sequence does not depend on it.
    const drawn = pick(this.#plan.rates, this.#random);
    const kind = this.#isCalm ? undefined : (this.#plan.choose?.(call) ?? drawn);
    if (kind === undefined) return undefined;
    this.faults.push({ ...call, kind });
    if (kind === "hold") await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    if (kind === "slow") await this.#slow();
    return kind;
  }

  release(): number {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
    return waiting.length;
  }

  calm(): void {
    this.#isCalm = true;
    this.release();
  }

  #slow(): Promise<void> {
    const { clock, slowMs = SLOW_MS } = this.#plan;
    if (clock === undefined) throw new TypeError("the fault `slow` needs a clock in its plan");
    const delayMs = Math.ceil(this.#random() * slowMs);
    return new Promise((resolve) => {
      clock.setTimeout(resolve, delayMs);
    });
  }
}

function refused(): StoreUnavailableError {
  return new StoreUnavailableError("the faulty store refused the call");
}

/** The effect of each fault on a commit; faults that only wait are not here. */
const COMMIT_FAULTS: Readonly<Partial<Record<FaultKind, CommitFault>>> = {
  fail: () => Promise.reject(refused()),
  unknown: () => Promise.reject(new CommitUnknownError()),
  async lost(inner, writes, options) {
    await inner.commit(writes, options);
    throw new CommitUnknownError();
  },
  async lostPlain(inner, writes, options) {
    await inner.commit(writes, options);
    throw new Error("the faulty store lost the result");
  },
  async torn(inner, writes, options) {
    const half = options?.atomic === true ? 0 : Math.floor(writes.length / 2);
    await inner.commit(writes.slice(0, half), options);
    throw new CommitUnknownError();
  },
  conflict: currentOf,
  async duplicate(inner, writes, options) {
    const first = await inner.commit(writes, options);
    await inner.commit(writes, options);
    return first;
  },
};

/**
 * Puts `plan` between a caller and `inner`; `list`, `watch`, `exclusive`, `erase`, `history`,
 * `pruneHistory` and `close` pass unchanged. Throws `TypeError` for an unknown name in the plan.
 */
export function faultyStore(inner: StateStore, plan: FaultPlan): FaultyStore {
  refuseUnknown("the plan of a faulty store", plan, PLAN_NAMES);
  refuseUnknown("rates", plan.rates ?? {}, FAULT_KINDS);
  if (plan.rates?.slow !== undefined && plan.clock === undefined)
    throw new TypeError("the fault `slow` needs a clock in its plan");
  const source = new FaultSource(plan);
  const faulty: FaultyStore = {
    name: `faulty ${inner.name}`,
    supports: inner.supports,
    async load(keys) {
      if ((await source.next({ operation: "load", keys })) === "fail") throw refused();
      return inner.load(keys);
    },
    async commit(writes, options) {
      const keys = writes.map((write) => write.key);
      const checked = (options?.checks ?? []).map(({ key }) => key);
      if (keys.length === 0 && checked.length > 0) {
        if ((await source.next({ operation: "check", keys: checked })) === "fail") throw refused();
        return inner.commit(writes, options);
      }
      const beside = checked.length === 0 ? {} : { checked };
      const kind = await source.next({ operation: "commit", keys, ...beside });
      const fault = kind === undefined ? undefined : COMMIT_FAULTS[kind];
      return fault === undefined ? inner.commit(writes, options) : fault(inner, writes, options);
    },
    list: (query) => inner.list(query),
    close: () => inner.close(),
    faults: source.faults,
    release: () => source.release(),
    calm: () => source.calm(),
  };
  return Object.assign(faulty, passThrough(inner));
}

type Passed = "watch" | "exclusive" | "erase" | "history" | "pruneHistory";

/** The optional operations that `inner` has. */
function passThrough(inner: StateStore): Pick<StateStore, Passed> {
  const passed: { -readonly [K in Passed]?: NonNullable<StateStore[K]> } = {};
  if (inner.watch !== undefined) passed.watch = inner.watch.bind(inner);
  if (inner.exclusive !== undefined) passed.exclusive = inner.exclusive.bind(inner);
  if (inner.erase !== undefined) passed.erase = inner.erase.bind(inner);
  if (inner.history !== undefined) passed.history = inner.history.bind(inner);
  if (inner.pruneHistory !== undefined) passed.pruneHistory = inner.pruneHistory.bind(inner);
  return passed;
}
