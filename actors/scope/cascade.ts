/**
 * Changes that listeners make: how far one leads to the next.
 *
 *     change ──▶ its listeners ──make──▶ change ──▶ its listeners ──make──▶ …      depth 1, 2, …
 *
 * A listener that changes its own scope on every event, or two that answer each other, would never
 * end. What a listener does is followed by the async context of its call, also after an `await`.
 * Listeners are all who are called with a change or its result: those of a scope and of a runtime,
 * `observe` of a kind, `onStateSizeWarning`. A reader of `changes()` has a loop of its own. A
 * change that comes from the store begins anew: a store does not keep what led to it.
 *
 * Invariants
 *  L1  A call made at a depth of more than `LISTENER_DEPTH_MAX` is refused, and one that is over
 *      `LISTENER_CHANGES_MAX` of those which one change led to, the first round not counted: so
 *      every cascade ends, though each change leads to several.
 *  L2  What a listener does by itself later than `PAUSE_MS` after its call begins anew: it does
 *      no harm, and may go on for as long as the program runs.
 *  L3  The first refusal of a cascade is reported to the logger.
 */
import { performance } from "node:perf_hooks";
import { ReentrantMutationError } from "../errors.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import { cascadeHere, inCascade, type Cascade } from "./reentrancy.ts";

/** How many listeners may have led to a change, one by the change of the other. */
export const LISTENER_DEPTH_MAX = 1_000;
/** How many changes one change may lead to through listeners of listeners. */
export const LISTENER_CHANGES_MAX = 10_000;
/** Milliseconds between a listener's call and a change that no longer counts as part of it. */
const PAUSE_MS = 1_000;
/** How far back the way is looked at for the message. */
const CHAIN_MAX = 100;

/** Runs what is called with a change of `scope`, which the listeners of `cause` have made. */
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

/** The listeners that a call made now has to be counted with. */
export function causeHere(): Cascade | undefined {
  const cascade = cascadeHere();
  if (cascade === undefined || cascade.isCalling) return cascade;
  return performance.now() - cascade.at > PAUSE_MS ? undefined : cascade;
}

/** Counts a call on a scope; throws `ReentrantMutationError` when there is no end to them (L1). */
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

/** From the last time that a change of the scope was listened to until now. */
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

function nameOf({ type, id }: ScopeIdentity): string {
  return `${type}/${id}`;
}
