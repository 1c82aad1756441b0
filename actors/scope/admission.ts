/**
 * Whether a call may come in, by who makes it: code that the scope's own write has called is
 * refused (`writing.ts`), so is a listener in an endless round (`cascade.ts`) and a mutator that
 * would wait for itself (`wait-graph.ts`).
 *
 * The calls of schemas and listeners are not awaited. Their refusals are reported to the logger,
 * and a rejection without a handler does not end the process.
 */
import { causeHere, countCall } from "./cascade.ts";
import { ScopeStoppedError } from "../errors.ts";
import type { Call } from "./mailbox.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import { isError } from "../realm.ts";
import { cascadeHere } from "./reentrancy.ts";
import { enterWait } from "./wait-graph.ts";
import { isWriting, refuseInWriting } from "./writing.ts";

/** A scope that is called. */
export interface Called {
  readonly identity: ScopeIdentity;
  readonly stopped: boolean;
  readonly settings: { readonly logger: Logger };
}

/** Refusals that were reported, and the promises that reject with them. */
const reported = new WeakSet<object>();

/** True when a call that cannot wait need not be looked at. */
export function isPlainCall(scope: ScopeIdentity): boolean {
  return cascadeHere() === undefined && !isWriting(scope);
}

/**
 * Lets a call in, or throws: `ScopeStoppedError`, why its signal was aborted,
 * `ReentrantMutationError` or `DeadlockError`.
 */
export function admit(target: Called, call: Call): void {
  const { identity: scope, settings } = target;
  if (target.stopped) throw new ScopeStoppedError({ scope });
  call.options?.signal?.throwIfAborted();
  const cause = causeHere();
  try {
    refuseInWriting(scope, settings.logger);
    if (cause !== undefined) countCall(scope, cause, settings.logger);
  } catch (error) {
    if (isError(error)) reported.add(error);
    throw error;
  }
  call.cause = cause;
  enterWait(target, call);
}

/** The answer of a call that was not let in. */
export function refused(error: unknown): Promise<never> {
  const answer = Promise.reject(error);
  if (isError(error) && reported.has(error)) leave(answer);
  return answer;
}

/** Resolves to nothing when a call is answered. */
export function done(call: Promise<boolean>): Promise<void> {
  const answer = call.then(() => undefined);
  if (reported.has(call)) leave(answer);
  return answer;
}

/** Needs no handler: what it rejects with was reported. */
function leave(answer: Promise<unknown>): void {
  reported.add(answer);
  answer.catch(() => undefined);
}
