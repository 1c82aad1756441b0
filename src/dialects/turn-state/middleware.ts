/** State for a pipeline of middleware. */
import type { TurnActivity } from "./activity.ts";
import { turnPolicy, type TurnOptions } from "./policy.ts";
import { runWith } from "./turn.ts";
import type { TurnState } from "./turn-state.ts";
import { vaultOf, type StorageLike } from "./vault-of.ts";

/** A context that receives its state. */
export interface StatefulContext {
  readonly activity: TurnActivity;
  state?: TurnState;
}

/** Runs the rest of the pipeline. */
export type NextMiddleware<T = unknown> = () => T | Promise<T>;

/** The result of `useState`. */
export type StateMiddleware = <T>(context: StatefulContext, next: NextMiddleware<T>) => Promise<T>;

/**
 * Middleware that sets `context.state`, keeps both mailboxes while the rest of the pipeline runs,
 * and stores the state when the pipeline has succeeded. Throws `RangeError` for a bad option and
 * `TypeError` for a value that is not a storage; its calls reject as `runTurn` does.
 */
export function useState(storage: StorageLike, options?: TurnOptions): StateMiddleware {
  const parts = { vault: vaultOf(storage), policy: turnPolicy(options) };
  return async (context, next) =>
    runWith(parts, context.activity, (state) => {
      context.state = state;
      return next();
    });
}
