/**
 * Turns taken by hand: a container's queue for code that is no operation.
 *
 * Invariants
 *  L1  Turns start in the order of the calls, one at a time, together with the container's ops.
 *  L2  A body that ran out of time loses the lock: its promise rejects, the queue goes on, and what
 *      it still tries to commit is refused.
 *  L3  The lock is kept until everything started inside it through this module has ended.
 */
import type { MutationOptions, MutatorTurn } from "../../../actors/protocol.ts";
import type { Hold } from "../../../actors/scope/exclusive.ts";
import { Turn } from "../../../actors/scope/reentrancy.ts";
import { inBody, outsideBodies, type LockBody } from "./body.ts";
import { scopeOf, type ContainerScope } from "./container.ts";

/** What the body of a lock is told. */
export type LockTurn = Pick<MutatorTurn, "signal">;

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
  return whileHeld(scope, options, (hold) =>
    inBody({ scope, hold }, async (body) => {
      hold.lost.catch((reason: unknown) => {
        body.lost = { reason };
      });
      try {
        return await runInTurn({ scope, hold, attempt: 1 }, fn);
      } finally {
        await settled(body);
      }
    }),
  );
}

/** Waits for the container's turn and keeps it for `work`. */
export async function whileHeld<T>(
  scope: ContainerScope,
  options: MutationOptions | undefined,
  work: (hold: Hold) => Promise<T>,
): Promise<T> {
  const hold = await scope.hold(options);
  try {
    return await Promise.race([hold.lost, work(hold)]);
  } finally {
    hold.release();
  }
}

/** Runs user code so that what it asks of the same container is refused instead of waited for. */
async function runInTurn<T>(
  { scope, hold, attempt }: { scope: ContainerScope; hold: Hold; attempt: number },
  code: (turn: MutatorTurn) => T | Promise<T>,
): Promise<T> {
  const turn = new Turn(attempt);
  hold.lost.catch((reason: unknown) => turn.lose(reason));
  try {
    return await turn.run(scope, scope.identity, () => code(turn));
  } finally {
    turn.end();
  }
}

/** Runs a mutator: as `runInTurn`, and it is no lock's body even inside one. */
export function runMutator<T>(
  place: { scope: ContainerScope; hold: Hold; attempt: number },
  code: (turn: MutatorTurn) => T | Promise<T>,
): Promise<T> {
  return outsideBodies(() => runInTurn(place, code));
}

/** Runs work in the lock the running code already holds. */
export function insideBody<T>(body: LockBody, work: (hold: Hold) => Promise<T>): Promise<T> {
  const running = Promise.race([body.hold.lost, work(body.hold)]);
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
