/**
 * Who looks after a scope for others: the runtime, which keeps scopes resident, writes checkpoints
 * and collects all changes in one feed.
 */
import type { StateChange } from "./protocol.ts";

/** A scope as its owner is told of it. */
export interface OwnedScope {
  /** Set by every use; whoever passivates idle scopes clears it. */
  touched: boolean;
}

/** Told about a scope's life; every part is optional to whoever owns the scope. */
export interface ScopeOwner {
  /** After each confirmed save, or each change of a scope without a bridge. */
  committed(scope: OwnedScope): void;
  /** After each change, with what changed. */
  announced(scope: OwnedScope, change: StateChange): void;
  /** The owner wants changes with patches also when the scope has no listener of its own. */
  readonly listening: boolean;
  /** Writes down what is only in memory. */
  flush(scope: OwnedScope): Promise<void>;
  stopped(scope: OwnedScope): void;
}
