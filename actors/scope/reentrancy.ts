/**
 * The turn a mutator runs in: which scopes the running code holds, the caller's async context, and
 * the signal that tells a mutator its result is no longer wanted.
 *
 * A chain of holdings travels with the async context. A scope asked for a mutation walks the chain
 * of the asking code: if it finds itself still held there, waiting would never end, so it refuses.
 * The chain also sees A → B → A, because B's mutator runs in the context in which A's mutator
 * called it.
 *
 * Invariants
 *  N1  A holding is live from the start of its mutator until the mutator's outcome is taken, never
 *      after: code a mutator left behind may use the scope again.
 *  N2  User code runs in the async context of the call that submitted it, also after waiting.
 *  N3  A turn's signal aborts at most once, and only when the turn lost its right to commit.
 *  N4  A chain is no longer than the holdings that live: a new holding unlinks the dead around it.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { ReentrantMutationError } from "../errors.ts";
import type { MutationContext, ScopeIdentity } from "../protocol.ts";

/** What a scope is to those who hold it. */
export interface Held {
  readonly identity: ScopeIdentity;
}

/** One call of the listeners of a scope, and the one whose listeners made that change. */
export interface Cascade {
  readonly scope: ScopeIdentity;
  readonly outer: Cascade | undefined;
  readonly depth: number;
  /** When they were called, of `performance.now()`. */
  readonly at: number;
  /** They have not returned yet. */
  isCalling: boolean;
  /** Shared by all that one change led to. */
  readonly total: { changes: number; isReported: boolean };
}

/** One scope held by running code, and what was held around it. */
export interface Holding {
  readonly holder: object;
  readonly identity: ScopeIdentity;
  outer: Holding | undefined;
  /** The holding around it belongs to the same work: both end together. */
  readonly joint: boolean;
  /** The listeners that set the code going. */
  readonly cascade: Cascade | undefined;
  live: boolean;
}

const holdings = new AsyncLocalStorage<Holding | undefined>();

/** A mutator's view of its turn. The signal is made when first asked for: most never ask. */
export class RunContext implements MutationContext {
  readonly attempt: number;
  #controller: AbortController | null = null;
  #lost: { readonly reason: unknown } | null = null;
  #holding: Holding | null = null;

  constructor(attempt: number) {
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#lost !== null) this.#controller.abort(this.#lost.reason);
    }
    return this.#controller.signal;
  }

  /** What its code holds, innermost first by `outer`. */
  get chain(): Holding | undefined {
    return this.#holding ?? undefined;
  }

  /** Runs user code holding `holder` (N1); the caller ends the holding with `end`. */
  run<T>(holder: object, identity: ScopeIdentity, code: () => T): T {
    const outer = heldHere();
    const cascade = cascadeHere();
    unlinkDead(outer);
    this.#holding = { holder, identity, outer, joint: false, cascade, live: true };
    return holdings.run(this.#holding, code);
  }

  /** Runs code that holds all these scopes at once. */
  runJointly<T>(held: readonly Held[], code: () => T): T {
    const around = heldHere();
    const cascade = cascadeHere();
    unlinkDead(around);
    let inner: Holding | null = null;
    for (const holder of held) {
      const outer: Holding | undefined = inner ?? around;
      const joint: boolean = inner !== null;
      inner = { holder, identity: holder.identity, outer, joint, cascade, live: true };
    }
    this.#holding = inner;
    return inner === null ? code() : holdings.run(inner, code);
  }

  /** The outcome was taken. */
  end(): void {
    let each = this.chain;
    while (each !== undefined) {
      each.live = false;
      each = each.joint ? each.outer : undefined;
    }
  }

  /** The call it runs for was settled. */
  cancel(reason: unknown): void {
    this.lose(reason);
  }

  /** The turn lost its right to commit. */
  lose(reason: unknown): void {
    this.end();
    this.#lost = { reason };
    this.#controller?.abort(reason);
  }
}

/**
 * Runs code that belongs to no mutator, though one may have set it going: a save, or a listener.
 * Nobody waits for it inside a turn, so it may use every scope.
 */
export function outsideTurns<T>(code: () => T): T {
  return holdings.getStore() === undefined ? code() : holdings.run(undefined, code);
}

/** Runs what listens, in no turn: whatever it does belongs to `cascade` (see `cascade.ts`). */
export function inCascade<T>(cascade: Cascade, code: () => T): T {
  // It holds nothing: a holding that has ended already carries it along. In the order of fields in
  // which the others are made: one shape is several times as fast.
  const ended: Holding = {
    holder: cascade,
    identity: cascade.scope,
    outer: undefined,
    joint: false,
    cascade,
    live: false,
  };
  return holdings.run(ended, code);
}

/** The cascade that set the running code going; `undefined` = none. */
export function cascadeHere(): Cascade | undefined {
  return holdings.getStore()?.cascade;
}

/** The innermost living holding of `from` and what is around it. */
export function living(from: Holding | undefined): Holding | undefined {
  let each = from;
  while (each !== undefined && !each.live) each = each.outer;
  return each;
}

/** What the running code holds, innermost first by `outer`; `undefined` = nothing. */
export function heldHere(): Holding | undefined {
  return living(holdings.getStore());
}

/** Unlinks what has died around a living holding (N4). */
function unlinkDead(inner: Holding | undefined): void {
  for (let each = inner; each !== undefined; each = each.outer) each.outer = living(each.outer);
}

/** Throws `ReentrantMutationError` when the running code holds `holder` already. */
export function refuseReentry(holder: object, identity: ScopeIdentity): void {
  const held: Holding[] = [];
  for (let each = heldHere(); each !== undefined; each = living(each.outer)) held.unshift(each);
  if (!held.some((each) => each.holder === holder)) return;
  const chain = [...held.map((each) => each.identity), identity];
  throw new ReentrantMutationError(
    chain.map(({ type, id }) => `${type}/${id}`),
    { scope: identity },
  );
}

/** Remembers the async context of the running code. */
export type CapturedContext = Pick<AsyncResource, "runInAsyncScope">;

/** Captures the caller's async context so that its mutator can run in it later (N2). */
export function captureContext(): CapturedContext {
  return new AsyncResource("holdfast.mutation", { requireManualDestroy: true });
}

/** The scopes the running code holds, innermost first. */
export function heldNow(): object[] {
  const held: object[] = [];
  for (let each = holdings.getStore(); each !== undefined; each = each.outer)
    if (each.live) held.push(each.holder);
  return held;
}
