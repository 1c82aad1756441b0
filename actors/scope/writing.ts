/**
 * User code that runs while a scope is written: a schema's `validate`, getters in what a mutator
 * returned, a clock that gives the time of an event. It is called and returns within one
 * synchronous section, so a list of the scopes being written now is enough.
 *
 * Invariants
 *  I1  A scope is in the list exactly while a write, a check or an event of it is being made.
 *  I2  User code that reads a scope in the list gets its state before the write.
 *  I3  Every call on a scope in the list is refused; calls on other scopes are not.
 */
import type { DraftState } from "../state/draft-state.ts";
import { ReentrantMutationError } from "../errors.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";

/** The scopes being written, each by code that the write of the one before it called. */
const written: ScopeIdentity[] = [];
/** The state of each of them before the write, when it is known. */
const before: (object | null)[] = [];

/** Begins a write of a scope; the caller always ends it with `endWriting`. */
export function beginWriting(scope: ScopeIdentity, state: object | null): void {
  written.push(scope);
  before.push(state);
}

/** Ends the last write that `beginWriting` began. */
export function endWriting(): void {
  written.pop();
  before.pop();
}

/** The readable state of a draft: during a check it is the state before the write. */
export function visible(draft: DraftState): object {
  return (isWriting(draft.scope) ? before[written.indexOf(draft.scope)] : null) ?? draft.expose();
}

/** Runs user code during a write of a scope. */
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
