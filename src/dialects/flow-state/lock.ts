/**
 * Turns taken by hand: a container's queue for code that is no operation.
 *
 * Invariants
 *  L1  Turns start in the order of the calls, one at a time, together with the container's ops.
 *  L2  A body that ran out of time loses the lock: its promise rejects, the queue goes on, and what
 *      it still tries to commit is refused.
 *  L3  The lock is kept until everything started inside it through this module has ended.
 */
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import { exclusively, type ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { inBody, outsideBodies, type LockBody } from "./body.ts";
import { scopeOf } from "./container.ts";

/** What the body of a lock is told. */
export type LockTurn = Pick<MutationContext, "signal">;

/** Options of a lock; `timeoutMs` counts waiting and running, default 30 000. */
export type LockOptions = Pick<MutationOptions, "signal" | "timeoutMs">;

/**
 * Runs `fn` while it has the container to itself; resolves to what `fn` gives. Rejects with what
 * `fn` throws, with `ScopeMutationTimeoutError` when the time is over, and with
 * `ReentrantMutationError` when the running code has the container already.
 */
export function withScopeLock<T>(
  container: object,
  fn: (turn: LockTurn) => T | Promise<T>,
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

/** Runs a mutator: it is no lock's body even inside one. */
export function runMutator<T>(
  section: ExclusiveSection,
  attempt: number,
  code: (turn: MutationContext) => T | Promise<T>,
): Promise<T> {
  return outsideBodies(() => section.run(attempt, code));
}

/** Runs work in the lock the running code already holds. */
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
