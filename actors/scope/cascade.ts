/**
 * Limits cascades: changes that listeners make, and the changes that follow from these.
 *
 *     change ──▶ its listeners ──make──▶ change ──▶ its listeners ──make──▶ …      depth 1, 2, …
 *
 * A listener that changes its own scope on every event would never end; nor would two listeners
 * that react to each other. A call of a listener is recognised by its async context, also after an
 * `await`. Listeners are all callbacks that receive a change or its result: those of a scope and of
 * a runtime, `observe` of a kind, `onStateSizeWarning`. Code that reads `changes()` is no listener.
 * A change from the store starts a new cascade: a store does not keep the cause of a change.
 *
 * Invariants
 *  L1  A call at a depth of more than `LISTENER_DEPTH_MAX` is refused. So is a call after
 *      `LISTENER_CHANGES_MAX` changes of one cascade, the changes of depth 1 not counted. So every
 *      cascade ends, also when each change leads to several.
 *  L2  A call that a listener makes later than `PAUSE_MS` after its own call starts a new cascade:
 *      it does no harm, and may repeat for as long as the program runs.
 *  L3  The first refusal of a cascade is reported to the logger.
 */
import { performance } from "node:perf_hooks";
import { ReentrantMutationError } from "../errors.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import { cascadeHere, inCascade, nameOf, type Cascade } from "./reentrancy.ts";

/** Most listeners in a chain, each called with a change that the one before it made. */
export const LISTENER_DEPTH_MAX = 1_000;
/** Most changes of one cascade, not counting those of depth 1. */
export const LISTENER_CHANGES_MAX = 10_000;
/** Milliseconds between a listener's call and a change that no longer counts as part of it. */
const PAUSE_MS = 1_000;
/** Most steps of a chain that the error message is made from. */
const CHAIN_MAX = 100;

/** Runs a callback with a change of `scope` that the listeners of `cause` have made. */
export function whileNotifying<T>(
  scope: ScopeIdentity,
  cause: Cascade | undefined,
  code: () => T,
): T {
  const depth = (cause?.depth ?? 0) + 1;
  const total = cause?.total ?? { changes: 0, isReported: false };
  const at = performance.now();
  const cascade = { scope, outer: cause, depth, at, isCalling: true, total };
  try {
    return inCascade(cascade, code);
  } finally {
    cascade.isCalling = false;
  }
}

/** The cascade to which a call made now belongs. */
export function causeHere(): Cascade | undefined {
  const cascade = cascadeHere();
  if (cascade === undefined || cascade.isCalling) return cascade;
  return performance.now() - cascade.at > PAUSE_MS ? undefined : cascade;
}

/** Counts a call on a scope; throws `ReentrantMutationError` over the limits (L1). */
export function countCall(scope: ScopeIdentity, cause: Cascade, logger: Logger): void {
  const { depth, total } = cause;
  if (depth > 1) total.changes += 1;
  if (depth <= LISTENER_DEPTH_MAX && total.changes <= LISTENER_CHANGES_MAX) return;
  const chain = chainOf(scope, cause);
  const reason = "by listeners whose changes call them again and again";
  const error = new ReentrantMutationError(chain, { scope }, reason);
  if (!total.isReported) logger.error("listeners change scopes without end", { scope, error });
  total.isReported = true;
  throw error;
}

/** The scopes from the last change of this scope in the cascade to the present call. */
function chainOf(scope: ScopeIdentity, cause: Cascade): string[] {
  const chain = [nameOf(scope)];
  let each: Cascade | undefined = cause;
  for (let count = 0; each !== undefined && count < CHAIN_MAX; count += 1) {
    chain.unshift(nameOf(each.scope));
    if (chain[0] === nameOf(scope)) return chain;
    each = each.outer;
  }
  return [nameOf(cause.scope), nameOf(scope)];
}
