/**
 * Locks: exclusive sections in a container's queue for code that is not an operation.
 *
 * Invariants
 *  L1  Locks start in the order of the calls, one at a time, in one queue with the container's
 *      operations.
 *  L2  A body that ran out of time loses the lock: its promise rejects, the queue continues, and
 *      its later commits are rejected.
 *  L3  The lock is kept until all calls of this module that were started inside it have ended.
 */
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import { exclusively, type ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { inBody, outsideBodies, type LockBody } from "./body.ts";
import { scopeOf } from "./container.ts";

/** The argument of a lock's body. */
export type LockTurn = Pick<MutationContext, "signal">;

/** Options of a lock; `timeoutMs` counts waiting and running, default 30 000. */
export type LockOptions = Pick<MutationOptions, "signal" | "timeoutMs">;

/**
 * Runs `fn` in exclusive use of the container; resolves to the result of `fn`. Rejects with the
 * error of `fn`, with `ScopeMutationTimeoutError` when the time has passed, and with
 * `ReentrantMutationError` when the running code has the container already.
 */
export function withScopeLock<T>(
  container: object,
  fn: (context: LockTurn) => T | Promise<T>,
  options?: LockOptions,
): Promise<T> {
  const scope = scopeOf(container);
  return exclusively([scope], options, (section) =>
    inBody({ scope, section }, async (body) => {
      section.revoked.catch((reason: unknown) => {
        body.lost = { reason };
      });
      try {
        return await section.run(1, fn);
      } finally {
        await settled(body);
      }
    }),
  );
}

/** Runs a mutator: it is not a lock's body, even inside one. */
export function runMutator<T>(
  section: ExclusiveSection,
  attempt: number,
  code: (context: MutationContext) => T | Promise<T>,
): Promise<T> {
  return outsideBodies(() => section.run(attempt, code));
}

/** Runs work in the lock that the running code already has. */
export function insideBody<T>(
  body: LockBody,
  work: (section: ExclusiveSection) => Promise<T>,
): Promise<T> {
  const running = Promise.race([body.section.revoked, work(body.section)]);
  const ended = running.then(
    () => undefined,
    () => undefined,
  );
  body.inside.add(ended);
  void ended.then(() => body.inside.delete(ended));
  return running;
}

async function settled(body: LockBody): Promise<void> {
  while (body.inside.size > 0) await Promise.all(body.inside);
}
