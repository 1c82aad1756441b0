/**
 * The context in which a mutator runs: which scopes the running code holds, the caller's async
 * context, and the signal that aborts when the result of the mutator no longer counts.
 *
 * A *holding* is one scope that running code has to itself. A chain of holdings travels with the
 * async context. A called scope checks the chain of the calling code: if it is still in it, the
 * call would wait for ever, so it is refused. The chain also shows A → B → A, because B's mutator
 * runs in the context in which A's mutator called it.
 *
 * Invariants
 *  N1  A holding is active from the start of its mutator until the mutator's outcome is taken, not
 *      after: code that a mutator has started and not awaited may use the scope again.
 *  N2  User code runs in the async context of the call that submitted it, also after waiting.
 *  N3  The signal of a run aborts at most once, and only when the run lost its right to commit.
 *  N4  A chain is no longer than its active holdings: a new one unlinks the ended ones around it.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { ReentrantMutationError } from "../errors.ts";
import type { MutationContext, ScopeIdentity } from "../protocol.ts";
import { noTimers, type Schedule } from "../timing.ts";

/** A scope that code can hold. */
export interface Held {
  readonly identity: ScopeIdentity;
}

/** One call of the listeners of a scope, linked to the call that caused the change. */
export interface Cascade {
  readonly scope: ScopeIdentity;
  readonly outer: Cascade | undefined;
  readonly depth: number;
  /** When the listeners were called, of `performance.now()`. */
  readonly at: number;
  /** The listeners have not returned yet. */
  isCalling: boolean;
  /** Shared by the whole cascade. */
  readonly total: { changes: number; isReported: boolean };
}

/** One scope held by running code, linked to the holding around it. */
export interface Holding {
  readonly holder: object;
  readonly identity: ScopeIdentity;
  outer: Holding | undefined;
  /** The holding around this one belongs to the same work: both end together. */
  readonly joint: boolean;
  /** The cascade that started the code. */
  readonly cascade: Cascade | undefined;
  live: boolean;
}

const holdings = new AsyncLocalStorage<Holding | undefined>();

/** A mutator's view of its run. The signal is made at its first read: most never read it. */
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

  /** Scopes with timers replace it. */
  get schedule(): Schedule {
    return noTimers;
  }

  /** The holdings of its code, innermost first by `outer`. */
  get chain(): Holding | undefined {
    return this.#holding ?? undefined;
  }

  /** Runs user code that holds a scope (N1); the caller ends the holding with `end`. */
  run<T>(held: Held, code: () => T): T {
    this.#holding = hold(null, held);
    return holdings.run(this.#holding, code);
  }

  /** Runs code that holds all these scopes at once. */
  runJointly<T>(held: readonly Held[], code: () => T): T {
    this.#holding = held.reduce<Holding | null>(hold, null);
    return this.#holding === null ? code() : holdings.run(this.#holding, code);
  }

  /** The outcome was taken: ends the holding. */
  end(): void {
    let each = this.chain;
    while (each !== undefined) {
      each.live = false;
      each = each.joint ? each.outer : undefined;
    }
  }

  /** Its code continues, but may not commit any more. */
  abort(reason: unknown): void {
    this.#lost ??= { reason };
    this.#controller?.abort(reason);
  }

  /** The run lost its right to commit. */
  lose(reason: unknown): void {
    this.end();
    this.abort(reason);
  }
}

/**
 * Runs code that belongs to no mutator, also when a mutator has started it: a save, or a listener.
 * No run waits for it, so it may use every scope.
 */
export function outsideTurns<T>(code: () => T): T {
  return holdings.getStore() === undefined ? code() : holdings.run(undefined, code);
}

/** Runs a listener outside every run: its calls belong to `cascade` (see `cascade.ts`). */
export function inCascade<T>(cascade: Cascade, code: () => T): T {
  // A holding that has ended carries the cascade. Its fields have the same order as in other
  // holdings: one hidden class is several times as fast.
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

/** False for code that no mutator, section or listener has started: it holds nothing. */
export function isInTurn(): boolean {
  return holdings.getStore() !== undefined;
}

/** The cascade that started the running code; `undefined` = none. */
export function cascadeHere(): Cascade | undefined {
  return holdings.getStore()?.cascade;
}

/** The innermost active holding, from `from` outwards. */
export function living(from: Holding | undefined): Holding | undefined {
  let each = from;
  while (each !== undefined && !each.live) each = each.outer;
  return each;
}

/** The holdings of the running code, innermost first by `outer`; `undefined` = none. */
export function heldHere(): Holding | undefined {
  return living(holdings.getStore());
}

/** A new holding of the running code, in the work of `inner`, else in one of its own. */
function hold(inner: Holding | null, holder: Held): Holding {
  const { identity } = holder;
  const outer = inner ?? heldHere();
  if (inner === null)
    for (let each = outer; each !== undefined; each = each.outer) each.outer = living(each.outer);
  return { holder, identity, outer, joint: inner !== null, cascade: cascadeHere(), live: true };
}

/** The active holdings of the running code, innermost first. */
export function allHeldHere(): Holding[] {
  const held: Holding[] = [];
  for (let each = heldHere(); each !== undefined; each = living(each.outer)) held.push(each);
  return held;
}

/** Throws `ReentrantMutationError` when the running code holds `scope` already. */
export function refuseReentry(scope: Held): void {
  const held = allHeldHere().toReversed();
  if (!held.some((each) => each.holder === scope)) return;
  throw new ReentrantMutationError(namesTo(scope.identity, held), { scope: scope.identity });
}

/** The names along a chain: a scope and the calls of its section follow each other as one. */
export function namesTo(last: ScopeIdentity, chain: readonly Held[]): string[] {
  const all = chain.map(({ identity }) => identity);
  const distinct = all.filter((identity, index) => identity !== all[index - 1]);
  return [...distinct, last].map(nameOf);
}

/** Names a scope in a chain. */
export function nameOf({ type, id }: ScopeIdentity): string {
  return `${type}/${id}`;
}

/** A captured async context. */
export type CapturedContext = Pick<AsyncResource, "runInAsyncScope">;

/** Captures the caller's async context so that its mutator can run in it later (N2). */
export function captureContext(): CapturedContext {
  return new AsyncResource("holdfast.mutation", { requireManualDestroy: true });
}

/** The scopes the running code holds, innermost first. */
export function heldNow(): object[] {
  return allHeldHere().map(({ holder }) => holder);
}
