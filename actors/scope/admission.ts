/**
 * Decides whether a call is admitted, by the code that makes it. Refused are code that a write of
 * the same scope has called (`writing.ts`), a listener in an endless cascade (`cascade.ts`) and a
 * mutator that would wait for itself (`wait-graph.ts`).
 *
 * Schemas and listeners do not await their calls. Their refusals are reported to the logger, and a
 * rejection without a handler does not end the process.
 */
import { causeHere, countCall } from "./cascade.ts";
import { ScopeStoppedError } from "../errors.ts";
import type { Call } from "./mailbox.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import { isError } from "../realm.ts";
import { cascadeHere } from "./reentrancy.ts";
import { enterWait } from "./wait-graph.ts";
import { isWriting, refuseInWriting } from "./writing.ts";

/** The scope of a call. */
export interface Called {
  readonly identity: ScopeIdentity;
  readonly stopped: boolean;
  readonly settings: { readonly logger: Logger };
}

/** Reported refusals, and the promises that reject with them. */
const reported = new WeakSet<object>();

/** True when a call that cannot wait needs no check. */
export function isPlainCall(scope: ScopeIdentity): boolean {
  return cascadeHere() === undefined && !isWriting(scope);
}

/**
 * Admits a call, or throws: `ScopeStoppedError`, the abort reason of its signal,
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

/** The promise of a call that was not admitted. */
export function refused(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  if (isError(error) && reported.has(error)) markHandled(promise);
  return promise;
}

/** Resolves without a value when a call is settled. */
export function done(call: Promise<boolean>): Promise<void> {
  const promise = call.then(() => undefined);
  if (reported.has(call)) markHandled(promise);
  return promise;
}

/** Marks a promise as handled: its reason was reported. */
function markHandled(promise: Promise<unknown>): void {
  reported.add(promise);
  promise.catch(() => undefined);
}
