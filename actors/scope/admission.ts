/**
 * Makes calls from what a caller gives, and decides whether they are admitted, by the code that
 * makes them. Refused are code that a write of the same scope has called (`writing.ts`), a listener
 * in an endless cascade (`cascade.ts`) and a mutator that would wait for itself (`wait-graph.ts`).
 *
 * Schemas and listeners do not await their calls. Their refusals are reported to the logger, and a
 * rejection without a handler does not end the process.
 */
import { causeHere, countCall } from "./cascade.ts";
import { ScopeStoppedError } from "../errors.ts";
import { Call, type ExclusiveTask } from "./mailbox.ts";
import { type Mutation, READ } from "./mutation.ts";
import { OnceMutation, onceKey } from "./once.ts";
import { checkSignal, metaOption, optionNames, refuseUnknown } from "./options.ts";
import type { ScopeSettings } from "./options.ts";
import type { MutationOptions, ScopeIdentity } from "../protocol.ts";
import { timeLimitOf } from "./timeouts.ts";
import { isError } from "../realm.ts";
import { monotonic } from "../time/clock.ts";
import { MUTATIONS, traceOf } from "./trace.ts";
import { isInTurn } from "./reentrancy.ts";
import { enterWait } from "./wait-graph.ts";
import { isWriting, refuseInWriting } from "./writing.ts";

/** A scope, or a lane of it, with what runs its calls. */
export interface Entered {
  readonly identity: ScopeIdentity;
  readonly stopped: boolean;
  readonly settings: ScopeSettings;
  readonly executor: { submit(call: Call): void };
}

/** Reported refusals, and the promises that reject with them. */
const reported = new WeakSet<object>();

const OPTIONS = optionNames<MutationOptions>({
  signal: true,
  timeoutMs: true,
  meta: true,
  once: true,
});

/**
 * Makes a call: its deadline starts now, and its options are copied. Throws `TypeError` for an
 * unknown option and a `meta` that is no object, and `RangeError` for a bad `once`.
 */
export function createCall(
  given: Mutation | ExclusiveTask,
  options: MutationOptions | undefined,
  settings: ScopeSettings,
): Call {
  const now = monotonic(settings.clock);
  if (options === undefined) return new Call(given, now + settings.mutationTimeoutMs, undefined);
  refuseUnknown("a mutation", options, OPTIONS);
  checkSignal(options.signal);
  const work =
    options.once === undefined ? given : workOnce(given, options.once, settings.onceKept);
  const meta = options.meta === undefined ? null : { meta: metaOption(options.meta) };
  return new Call(work, now + timeLimitOf(options, settings), { ...options, ...meta });
}

function workOnce(work: Mutation | ExclusiveTask, key: unknown, kept: number): OnceMutation {
  if ("task" in work) throw new TypeError("once is an option of mutations, not of this call");
  return new OnceMutation(work, onceKey(key), kept);
}

/**
 * Admits a call, or throws: `ScopeStoppedError`, the abort reason of its signal,
 * `ReentrantMutationError` or `DeadlockError`.
 */
function admit(target: Entered, call: Call): void {
  const { identity: scope, settings } = target;
  if (target.stopped) throw new ScopeStoppedError({ scope });
  call.options?.signal?.throwIfAborted();
  if (!isInTurn() && !isWriting(scope)) return; // As nearly all calls.
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

/** Submits work to a scope; the promise settles with its outcome, also when it is refused. */
export function submitTo(
  target: Entered,
  work: Mutation | ExclusiveTask,
  options: MutationOptions | undefined,
): Promise<boolean> {
  try {
    const call = createCall(work, options, target.settings);
    const { operation } = work;
    // Calls that change nothing themselves are not traced.
    if (!MUTATIONS.hasSubscribers || operation === undefined || work === READ)
      return enter(target, call);
    call.trace = traceOf(MUTATIONS, target, { operation });
    const admitted = enter.bind(null, target, call);
    return call.trace?.run(admitted) ?? admitted();
  } catch (error) {
    return refused(error);
  }
}

function enter(target: Entered, call: Call): Promise<boolean> {
  admit(target, call);
  target.executor.submit(call);
  return call.promise;
}

/** The promise of a call that was not admitted. */
function refused(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  if (isError(error) && reported.has(error)) markHandled(promise);
  return promise;
}

/** Resolves without a value when a call is settled. */
export function done(call: Promise<boolean>): Promise<void> {
  return after(call, () => undefined);
}

/** Resolves to what `next` makes of the answer of a call. */
export function after<T>(
  call: Promise<boolean>,
  next: (answer: boolean) => T | Promise<T>,
): Promise<T> {
  const promise = call.then(next);
  if (reported.has(call)) markHandled(promise);
  return promise;
}

/** Marks a promise as handled: its reason was reported. */
function markHandled(promise: Promise<unknown>): void {
  reported.add(promise);
  promise.catch(() => undefined);
}
