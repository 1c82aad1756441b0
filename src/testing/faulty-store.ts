/** A store that fails as stores do: refused, lost answers, late, twice, half. */
import { CommitUnknownError, StoreUnavailableError } from "../../actors/errors.ts";
import type { Clock } from "../../actors/protocol.ts";
import type { ScopeWrite, StateStore, WriteResult } from "../stores/store.ts";
import { type Random, seededRandom } from "./random.ts";

/**
 * What happens to one call.
 *
 * - `fail`: nothing is done, `StoreUnavailableError`.
 * - `lost`: it is done, but the answer is `CommitUnknownError`.
 * - `unknown`: nothing is done, and the answer is `CommitUnknownError`.
 * - `lostPlain`: it is done and a plain `Error` is thrown: what a store must never do.
 * - `conflict`: nothing is done, every write answers with what is there.
 * - `duplicate`: it is done twice, as by a network that repeats; the first answer counts.
 * - `torn`: the first half of a batch is done, then `CommitUnknownError`.
 * - `hold`: it waits for `release`, then is done.
 * - `slow`: it waits up to `slowMs` on the plan's clock, then is done.
 *
 * A load knows `fail`, `hold` and `slow`; other faults leave it alone.
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

/** One call about to be made. */
export interface FaultCall {
  readonly operation: "load" | "commit";
  /** Counts the calls of this operation, from 1. */
  readonly number: number;
  readonly keys: readonly string[];
}

/** Which calls fail, and how. */
export interface FaultPlan {
  /** Decides for one call; `undefined` leaves it to `rates`. */
  readonly choose?: (call: FaultCall) => FaultKind | undefined;
  /** Probability of each fault per call, drawn from `seed`. */
  readonly rates?: Readonly<Partial<Record<FaultKind, number>>>;
  /** Default 1. */
  readonly seed?: number;
  /** Needed for `slow`. */
  readonly clock?: Clock;
  /** Longest wait of a `slow` call; default 50. */
  readonly slowMs?: number;
}

/** A store with faults, and the way to steer them. */
export interface FaultyStore extends StateStore {
  /** The faults so far, in order. */
  readonly faults: readonly (FaultCall & { readonly kind: FaultKind })[];
  /** Lets every held call go on; answers how many there were. */
  release(): number;
  /** Stops all faults from here on and lets held calls go on. */
  calm(): void;
}

const SLOW_MS = 50;

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

async function currentOf(inner: StateStore, writes: readonly ScopeWrite[]): Promise<WriteResult[]> {
  const records = await inner.load(writes.map((write) => write.key));
  return records.map((current) => ({ ok: false, current }));
}

/** Puts `plan` between a caller and `inner`; `list`, `watch`, `exclusive` and `close` pass unchanged. */
export function faultyStore(inner: StateStore, plan: FaultPlan): FaultyStore {
  const random = seededRandom(plan.seed ?? 1);
  const faults: (FaultCall & { kind: FaultKind })[] = [];
  const held: (() => void)[] = [];
  const counts = { load: 0, commit: 0 };
  let isCalm = false;

  function next(operation: "load" | "commit", keys: readonly string[]): FaultKind | undefined {
    counts[operation] += 1;
    const call: FaultCall = { operation, number: counts[operation], keys };
    // Drawn even when calm or chosen, so that the rest of the sequence does not depend on it.
    const drawn = pick(plan.rates, random);
    const kind = isCalm ? undefined : (plan.choose?.(call) ?? drawn);
    if (kind !== undefined) faults.push({ ...call, kind });
    return kind;
  }

  function release(): number {
    const waiting = held.splice(0);
    for (const go of waiting) go();
    return waiting.length;
  }

  async function pause(kind: FaultKind | undefined): Promise<void> {
    if (kind === "hold")
      await new Promise<void>((resolve) => {
        held.push(resolve);
      });
    if (kind !== "slow") return;
    const { clock, slowMs = SLOW_MS } = plan;
    if (clock === undefined) throw new TypeError("the fault `slow` needs a clock in its plan");
    const delayMs = Math.ceil(random() * slowMs);
    await new Promise<void>((resolve) => {
      clock.setTimeout(resolve, delayMs);
    });
  }

  async function commit(
    writes: readonly ScopeWrite[],
    options?: { readonly atomic?: boolean },
  ): Promise<WriteResult[]> {
    const kind = next(
      "commit",
      writes.map((write) => write.key),
    );
    await pause(kind);
    const send = (part: readonly ScopeWrite[] = writes): Promise<WriteResult[]> =>
      inner.commit(part, options);
    switch (kind) {
      case "fail":
        throw new StoreUnavailableError("the faulty store refused the call");
      case "unknown":
        throw new CommitUnknownError();
      case "lost":
        await send();
        throw new CommitUnknownError();
      case "lostPlain":
        await send();
        throw new Error("the faulty store lost the answer");
      case "torn":
        await send(options?.atomic === true ? writes : writes.slice(0, writes.length / 2));
        throw new CommitUnknownError();
      case "conflict":
        return currentOf(inner, writes);
      case "duplicate": {
        const first = await send();
        await send();
        return first;
      }
      case "hold":
      case "slow":
      case undefined:
        return send();
    }
  }

  const { watch, exclusive } = inner;
  return {
    name: `faulty ${inner.name}`,
    supports: inner.supports,
    ...(watch === undefined ? {} : { watch: watch.bind(inner) }),
    ...(exclusive === undefined ? {} : { exclusive: exclusive.bind(inner) }),
    async load(keys) {
      const kind = next("load", keys);
      await pause(kind);
      if (kind === "fail") throw new StoreUnavailableError("the faulty store refused the call");
      return inner.load(keys);
    },
    commit,
    list: (query) => inner.list(query),
    close: () => inner.close(),
    faults,
    release,
    calm() {
      isCalm = true;
      release();
    },
  };
}
