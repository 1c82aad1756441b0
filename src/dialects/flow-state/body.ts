/**
 * The bodies of locks that the running code is in.
 *
 * Inside `withScopeLock` the container belongs to the body: it may commit to it and run the
 * compare-and-set loop without waiting in the queue, of which it is the first. A mutator may not do
 * that, so entering one hides the bodies around it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { type Held, refuseReentry } from "../../../actors/scope/reentrancy.ts";

/** One lock's body while it runs. */
export interface LockBody {
  readonly scope: object;
  readonly section: ExclusiveSection;
  /** Why the lock was lost; its code may not commit any more. */
  lost: { readonly reason: unknown } | null;
  /** The unfinished calls that were started inside; the lock is kept for them. */
  readonly inside: Set<Promise<unknown>>;
}

/** The bodies the running code is in, innermost first. */
const bodies = new AsyncLocalStorage<readonly LockBody[]>();

/** The number of bodies the running code is in. */
export function bodiesHere(): number {
  return bodies.getStore()?.length ?? 0;
}

/** The body of the lock on `scope` that the running code is in, ended or not. */
function around(scope: object): LockBody | undefined {
  return bodies.getStore()?.find((body) => body.scope === scope);
}

/** The running code's lock on `scope`. Throws when it was lost to a timeout. */
export function bodyOf(scope: object): LockBody | undefined {
  const body = around(scope);
  if (body === undefined) return undefined;
  if (body.lost !== null) throw body.lost.reason;
  return body.section.ended ? undefined : body;
}

/** Runs the body of a lock. */
export function inBody<T>(
  parts: { scope: object; section: ExclusiveSection },
  code: (body: LockBody) => T,
): T {
  const body: LockBody = { ...parts, lost: null, inside: new Set() };
  // A body that ended without loss is not needed: a loop over many locks must not accumulate them.
  const outer = (bodies.getStore() ?? []).filter(
    ({ scope, section, lost }) => scope !== parts.scope && (lost !== null || !section.ended),
  );
  return bodies.run([body, ...outer], () => code(body));
}

/** Runs code outside of every lock's body, whatever the caller. */
export function outsideBodies<T>(code: () => T): T {
  return bodies.getStore() === undefined ? code() : bodies.run([], code);
}

/** Throws when the running code may not commit: it lost its lock, or it is a mutator. */
export function refuseCommit(scope: Held): void {
  if (bodyOf(scope) === undefined) refuseReentry(scope);
}
