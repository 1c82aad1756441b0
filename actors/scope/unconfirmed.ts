/**
 * The changes of a checkpoint scope that have resolved and are not yet stored, in order. They are
 * repeated when another writer has saved first.
 *
 *     add ──▶ [v4 inc][v5 update][v6 delete] ──confirm(5)──▶ [v6 delete]
 *                        │
 *                        └──replay on the winner's state──▶ the state with all of them on it
 *
 * Invariants
 *  K1  The mutation is kept, never its outcome: a replay computes it on the given state, in the
 *      order in which the calls resolved, in the async context of the call that made it.
 *  K2  A replay changes nothing but its own draft. It ends with `null` when it was cancelled; the
 *      caller adopts its result at once or not at all.
 *  K3  A change that cannot be repeated (a throw, a refusal of a check, no end in time) has no
 *      effect on the result and is counted in it.
 *  K4  An expiry is not repeated: when a state expires, the changes before it are dropped.
 *  K5  At most `UNCONFIRMED_MAX` changes are kept; at that number the scope is `full`, and saves
 *      before it changes again.
 */
import { DraftState } from "../state/draft-state.ts";
import { ScopeMutationTimeoutError } from "../errors.ts";
import type { Call, Outcome } from "./mailbox.ts";
import { monotonic } from "../time/clock.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import { BATCH_MAX } from "./commit-batch.ts";
import type { StateRule } from "./options.ts";
import { timeLimitOf } from "./timeouts.ts";
import { RunContext } from "./reentrancy.ts";
import { applyMutation, failed } from "./apply-mutation.ts";

/** Most changes that wait to be stored: as many as a commit batch of a durable scope has. */
const UNCONFIRMED_MAX = BATCH_MAX;

/** A change of a scope: a mutation, its deletion by a caller, or its expiry. */
export type Done = Mutation | "delete" | "expire";

interface Kept {
  version: number;
  readonly done: Mutation | "delete";
  /** The call that made it; `null` for plain data, which needs no call. */
  readonly call: Call | null;
}

/** The state on which changes are repeated. */
export interface ReplayBase {
  readonly state: object;
  readonly exists: boolean;
  /** Changes up to this version are skipped: the state may or may not contain them. */
  readonly after: number;
  /** When `state` expires, in milliseconds since the epoch. */
  readonly until: number;
  readonly isWanted: () => boolean;
}

/** The result of a replay. */
export interface Replayed {
  readonly state: object;
  readonly exists: boolean;
  /** How many changed something. */
  readonly changes: number;
  /** How many could not be repeated. */
  readonly failures: number;
  /** The error of the first of them. */
  readonly failure: unknown;
  /** How many were skipped. */
  readonly unknown: number;
  /** Those that could not be repeated or were skipped. */
  readonly lost: ReadonlySet<object>;
}

/** The unconfirmed changes; see the head of this file. */
export class Unconfirmed {
  #kept: Kept[] = [];
  /** Changes before it are stored; they are removed when they are half of the list. */
  #first = 0;

  /** True when no change may be made before these are stored. */
  get full(): boolean {
    return this.#kept.length - this.#first >= UNCONFIRMED_MAX;
  }

  /** Keeps the change that made `version`. */
  add(version: number, done: Done, call: Call | null): void {
    if (typeof done === "string") this.clear(); // No change before it has to be repeated.
    if (done === "expire") return;
    const isCode = typeof done !== "string" && done.compute !== undefined;
    this.#kept.push({ version, done, call: isCode ? call : null });
  }

  /** Everything up to `version` is stored; returns how many changes that were. */
  confirm(version: number): number {
    const kept = this.#kept;
    const before = this.#first;
    while ((kept[this.#first]?.version ?? Infinity) <= version) this.#first += 1;
    const confirmed = this.#first - before;
    if (this.#first * 2 < kept.length) return confirmed;
    kept.splice(0, this.#first);
    this.#first = 0;
    return confirmed;
  }

  /** Every change is stored, or is dropped. */
  clear(): void {
    this.#kept = [];
    this.#first = 0;
  }

  /** Repeats all changes on another state; `null` when it was cancelled (K2). */
  async replay(scope: StateRule, base: ReplayBase): Promise<Replayed | null> {
    const work = new Replay(scope, base);
    for (const kept of this.#kept.slice(this.#first)) {
      if (!base.isWanted()) return null;
      const running = work.repeat(kept);
      if (running !== null) await running; // Plain data needs no wait.
    }
    return base.isWanted() ? work : null;
  }

  /** The repeated changes became `version` together; the others are dropped. */
  rebased(version: number, replayed: Replayed): void {
    this.#kept = this.#kept.slice(this.#first).filter((kept) => !replayed.lost.has(kept));
    this.#first = 0;
    for (const kept of this.#kept) kept.version = version;
  }
}

/** One replay and its result so far. */
class Replay implements Replayed {
  readonly lost = new Set<Kept>();
  exists: boolean;
  changes = 0;
  failures = 0;
  failure: unknown = null;
  unknown = 0;
  readonly #scope: StateRule;
  readonly #draft: DraftState;
  readonly #after: number;
  readonly #until: number;

  constructor(scope: StateRule, { state, exists, after, until }: ReplayBase) {
    this.exists = exists;
    this.#scope = scope;
    this.#draft = new DraftState(state, scope.identity);
    this.#after = after;
    this.#until = until;
  }

  get state(): object {
    return this.#draft.expose();
  }

  /** Returns a promise when the code is asynchronous; it does not reject. */
  repeat(kept: Kept): Promise<void> | null {
    const { done } = kept;
    if (kept.version <= this.#after) {
      this.unknown += 1;
      this.lost.add(kept);
      return null;
    }
    if (this.changes === 0 && this.#until <= this.#scope.settings.clock.now()) this.#end();
    if (done === "delete") return this.#delete();
    if (done.compute === undefined) return this.#take(kept, this.#applied(done, undefined));
    return runAgain(this.#scope, { mutation: done, state: this.state, call: kept.call }).then(
      (computed) => void this.#take(kept, this.#applied(done, computed)),
      (thrown: unknown) => void this.#take(kept, failed(thrown)),
    );
  }

  #applied(mutation: Mutation, computed: unknown): Outcome {
    const { settings } = this.#scope;
    const target = { draft: this.#draft, settings, savesPatches: false, listening: false };
    return applyMutation(target, mutation, computed);
  }

  #delete(): null {
    if (this.exists) this.changes += 1;
    return this.#end();
  }

  #end(): null {
    this.#draft.reset(this.#scope.initial);
    this.exists = false;
    return null;
  }

  #take(kept: Kept, outcome: Outcome): null {
    if (outcome.error !== null) {
      if (this.failures === 0) this.failure = outcome.error.thrown;
      this.failures += 1;
      this.lost.add(kept);
    } else if (outcome.changed) {
      this.changes += 1;
      this.exists = true;
    }
    return null;
  }
}

/** User code to run again on another state. */
interface Again {
  readonly mutation: Mutation;
  readonly state: object;
  readonly call: Call | null;
}

/**
 * Runs the code of a mutation as the scope's own run. Its call has resolved, so a limit that is
 * shorter than that of the scope no longer counts.
 */
function runAgain(scope: StateRule, { mutation, state, call }: Again): Promise<unknown> {
  const { settings, identity } = scope;
  const context = new RunContext((call?.run?.attempt ?? 1) + 1);
  if (call !== null) call.run = context;
  const code = (): unknown => context.run(scope, () => mutation.compute?.(state, context));
  const timeoutMs = Math.max(timeLimitOf(call?.options, settings), settings.mutationTimeoutMs);
  const deadline = monotonic(settings.clock) + timeoutMs;
  const sweep = settings.deadlines;
  return new Promise((resolve, reject) => {
    const limit = {
      expire: (now: number): number => {
        if (deadline > now) return deadline;
        const fields = { timeoutMs, phase: "running" as const };
        const error = new ScopeMutationTimeoutError(fields, { scope: identity });
        context.lose(error);
        reject(error);
        return Infinity;
      },
    };
    const over = (): void => {
      sweep.unwatch(limit);
      context.end();
    };
    sweep.watch(limit, deadline);
    settledIn(call, code).finally(over).then(resolve, reject);
  });
}

/** The result of a call's code, run in the async context of the call. */
async function settledIn(call: Call | null, code: () => unknown): Promise<unknown> {
  const context = call?.context ?? null;
  const value = context === null ? code() : context.runInAsyncScope(code);
  return isThenable(value) ? await value : value;
}
