/**
 * The changes of a checkpoint scope that are answered and not yet stored, in order: what has to be
 * made again when another writer was first.
 *
 *     add ──▶ [v4 inc][v5 update][v6 delete] ──confirm(5)──▶ [v6 delete]
 *                        │
 *                        └──replay on the winner's state──▶ the state with all of them on it
 *
 * Invariants
 *  K1  What is kept is the mutation, never its outcome: a replay works it out on the state given to
 *      it, in the order of the answers, in the async context of the call that made it.
 *  K2  A replay changes nothing but its own draft. It ends with `null` when it is not wanted any
 *      more, and the caller adopts its end at once or not at all.
 *  K3  A change that cannot be made again (a throw, a refusal of a check, its time limit) leaves no
 *      trace in the result and is counted in it.
 *  K4  What ended by itself is not made again: when a time to live ends, the changes before it go.
 *  K5  At most `UNCONFIRMED_MAX` changes are kept; at that number the scope is `full`, and writes
 *      before it changes again.
 */
import { DraftState } from "../state/draft-state.ts";
import { sweepOf } from "./timeouts.ts";
import { ScopeMutationTimeoutError } from "../errors.ts";
import { createCall, type Call, type Outcome } from "./mailbox.ts";
import { isThenable, type Mutation } from "./mutation.ts";
import type { ScopeIdentity } from "../protocol.ts";
import { BATCH_MAX } from "./commit-batch.ts";
import type { ScopeSettings } from "./options.ts";
import { RunContext } from "./reentrancy.ts";
import { applyMutation, failed } from "./apply-mutation.ts";

/** Changes that may wait to be stored: as many as a round of a durable scope holds. */
const UNCONFIRMED_MAX = BATCH_MAX;

/** A change of a scope: a mutation, its deletion by a caller, or the end of its time to live. */
export type Done = Mutation | "delete" | "expire";

interface Kept {
  version: number;
  readonly done: Mutation | "delete";
  /** The call that made it; `null` for plain data, which needs nothing of it. */
  readonly call: Call | null;
}

/** The scope whose changes are made again; it holds the turn in which they are. */
export interface ReplayScope {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
}

/** What changes are made again on. */
export interface ReplayBase {
  readonly state: object;
  readonly exists: boolean;
  /** Changes up to this version are left out: it is unknown whether the state holds them. */
  readonly after: number;
  /** When `state` ends by itself, in milliseconds since the epoch. */
  readonly until: number;
  readonly isWanted: () => boolean;
}

/** What came of a replay. */
export interface Replayed {
  readonly state: object;
  readonly exists: boolean;
  /** How many changed something. */
  readonly changes: number;
  /** How many could not be made again. */
  readonly failures: number;
  /** Why the first of them could not. */
  readonly failure: unknown;
  /** How many were left out. */
  readonly unknown: number;
  /** Those that could not be made again or were left out. */
  readonly lost: ReadonlySet<object>;
}

/** Changes that are not stored; see the head of this file. */
export class Unconfirmed {
  #kept: Kept[] = [];
  /** Those before it are stored; they go when they are half of what there is. */
  #first = 0;

  /** No further change may be made before these are stored. */
  get full(): boolean {
    return this.#kept.length - this.#first >= UNCONFIRMED_MAX;
  }

  /** Keeps what was done as `version`. */
  add(version: number, done: Done, call: Call | null): void {
    if (typeof done === "string") this.clear(); // Nothing before it is left to be made again.
    if (done === "expire") return;
    const isCode = typeof done !== "string" && done.compute !== undefined;
    this.#kept.push({ version, done, call: isCode ? call : null });
  }

  /** Everything up to `version` is stored. */
  confirm(version: number): void {
    const kept = this.#kept;
    while ((kept[this.#first]?.version ?? Infinity) <= version) this.#first += 1;
    if (this.#first * 2 < kept.length) return;
    kept.splice(0, this.#first);
    this.#first = 0;
  }

  /** Everything is stored, or is not going to be. */
  clear(): void {
    this.#kept = [];
    this.#first = 0;
  }

  /** Makes all of it again on another state; `null` when that is not wanted any more (K2). */
  async replay(scope: ReplayScope, base: ReplayBase): Promise<Replayed | null> {
    const work = new Replay(scope, base);
    for (const kept of this.#kept.slice(this.#first)) {
      if (!base.isWanted()) return null;
      const running = work.repeat(kept);
      if (running !== null) await running; // Plain data has to wait for nothing.
    }
    return base.isWanted() ? work : null;
  }

  /** The changes that were made again became `version` together; the others go. */
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
  readonly #scope: ReplayScope;
  readonly #draft: DraftState;
  readonly #after: number;
  readonly #until: number;

  constructor(scope: ReplayScope, { state, exists, after, until }: ReplayBase) {
    this.exists = exists;
    this.#scope = scope;
    this.#draft = new DraftState(state, scope.identity);
    this.#after = after;
    this.#until = until;
  }

  get state(): object {
    return this.#draft.expose();
  }

  /** Answers a promise when there is something to wait for; it does not reject. */
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
    const target = { draft: this.#draft, settings, recording: false, listening: false };
    return applyMutation(target, mutation, computed);
  }

  #delete(): null {
    if (this.exists) this.changes += 1;
    return this.#end();
  }

  #end(): null {
    this.#draft.reset(this.#scope.settings.initial);
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

/** User code that is run again on another state. */
interface Again {
  readonly mutation: Mutation;
  readonly state: object;
  readonly call: Call | null;
}

/** Runs the code of a mutation in the scope's turn, within the time its call had. */
function runAgain(scope: ReplayScope, { mutation, state, call }: Again): Promise<unknown> {
  const { settings, identity } = scope;
  if (call !== null) call.attempt += 1;
  const turn = new RunContext(call?.attempt ?? 2);
  const code = (): unknown => turn.run(scope, identity, () => mutation.compute?.(state, turn));
  const timeoutMs = call?.options?.timeoutMs ?? settings.mutationTimeoutMs;
  const { deadline } = createCall(mutation, { timeoutMs }, settings);
  const sweep = sweepOf(settings.clock);
  return new Promise((resolve, reject) => {
    const limit = {
      expire: (now: number): number => {
        if (deadline > now) return deadline;
        const fields = { timeoutMs, phase: "running" as const };
        const error = new ScopeMutationTimeoutError(fields, { scope: identity });
        turn.lose(error);
        reject(error);
        return Infinity;
      },
    };
    const over = (): void => {
      sweep.unwatch(limit);
      turn.end();
    };
    sweep.watch(limit, deadline);
    settledIn(call, code).finally(over).then(resolve, reject);
  });
}

/** What the code of an call gives, run in the async context of its call. */
async function settledIn(call: Call | null, code: () => unknown): Promise<unknown> {
  const context = call?.context ?? null;
  const value = context === null ? code() : context.runInAsyncScope(code);
  return isThenable(value) ? await value : value;
}
