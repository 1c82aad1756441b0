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
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { ReentrantMutationError } from "./errors.ts";
import type { MutatorTurn, ScopeIdentity } from "./protocol.ts";

/** One scope held by running code, and what was held around it. */
interface Holding {
  readonly holder: object;
  readonly identity: ScopeIdentity;
  readonly outer: Holding | undefined;
  live: boolean;
}

const holdings = new AsyncLocalStorage<Holding | undefined>();

/** A mutator's view of its turn. The signal is made when first asked for: most never ask. */
export class Turn implements MutatorTurn {
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

  /** Runs user code holding `holder` (N1); the caller ends the holding with `end`. */
  run<T>(holder: object, identity: ScopeIdentity, code: () => T): T {
    this.#holding = { holder, identity, outer: holdings.getStore(), live: true };
    return holdings.run(this.#holding, code);
  }

  /** The outcome was taken. */
  end(): void {
    if (this.#holding !== null) this.#holding.live = false;
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

/** Throws `ReentrantMutationError` when the running code holds `holder` already. */
export function refuseReentry(holder: object, identity: ScopeIdentity): void {
  const inner = holdings.getStore();
  if (inner === undefined) return;
  const held: Holding[] = [];
  for (let each: Holding | undefined = inner; each !== undefined; each = each.outer)
    if (each.live) held.unshift(each);
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
