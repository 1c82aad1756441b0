/**
 * User code that runs while a scope is written: a schema's `validate`, getters in what a mutator
 * returned, a clock asked for the time of an event. All of it is called and has returned within
 * one synchronous piece of work, so it is enough to keep which scopes are being written now.
 *
 * Invariants
 *  I1  A scope is in the list exactly while a write, a check or an event of it is being made.
 *  I2  Code of users that looks at a scope in the list sees its state before the write.
 *  I3  A call on a scope in the list is refused, by whatever way it comes; calls on others are not.
 */
import type { DraftState } from "../state/draft-state.ts";
import { ReentrantMutationError } from "../errors.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";

/** The scopes being written, each by code that the one before it called. */
const written: ScopeIdentity[] = [];
/** Of each of them the state before, when it is known. */
const before: (object | null)[] = [];

/** Begins to write a scope; the caller ends it with `endWriting`, however that goes. */
export function beginWriting(scope: ScopeIdentity, state: object | null): void {
  written.push(scope);
  before.push(state);
}

/** Ends what `beginWriting` began last. */
export function endWriting(): void {
  written.pop();
  before.pop();
}

/** The state of a draft that code may see: one that is being checked is not confirmed yet. */
export function visible(draft: DraftState): object {
  return (isWriting(draft.scope) ? before[written.indexOf(draft.scope)] : null) ?? draft.expose();
}

/** Runs user code in the midst of writing a scope. */
export function whileWriting<T>(scope: ScopeIdentity, code: () => T): T {
  beginWriting(scope, null);
  try {
    return code();
  } finally {
    endWriting();
  }
}

/** True for code that a write of the scope has called. */
export function isWriting(scope: ScopeIdentity): boolean {
  return written.length > 0 && written.includes(scope);
}

/** Throws `ReentrantMutationError` in code that a write of the scope has called. */
export function refuseInWriting(scope: ScopeIdentity, logger: Logger): void {
  if (!isWriting(scope)) return;
  const chain = [...written.slice(written.indexOf(scope)), scope];
  const names = chain.map(({ type, id }) => `${type}/${id}`);
  const reason = "by code that it calls while it is written, such as its schema";
  const error = new ReentrantMutationError(names, { scope }, reason);
  logger.error("a scope was called by code that it calls while it is written", { scope, error });
  throw error;
}
