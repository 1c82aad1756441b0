/**
 * Hooks by which the scope of a runtime learns of its own events, in the same tick. In a scope on
 * its own they do nothing; the scope of a runtime overrides them. None of them may throw.
 */
import type { Call, Outcome } from "./mailbox.ts";
import type { StateChange } from "../protocol.ts";
import type { Done } from "./unconfirmed.ts";

/** The base of a scope; every hook does nothing. */
export class ScopeHooks {
  /** @internal True when `published` needs every change with its patches. */
  get watched(): boolean {
    return false;
  }

  /** @internal True while a save runs in the background. */
  get writesBehind(): boolean {
    return false;
  }

  /** @internal Called when a local change resolves before it is stored, before its event. */
  noted(_done: Done, _call: Call | null, _outcome?: Outcome): void {}

  /** @internal Called with each change, when `watched`. */
  published(_change: StateChange): void {}

  /** @internal Called when the scope has adopted the store's record, before its event. */
  taken(): void {}

  /** @internal A delete has found no record: ends what is kept for the scope without one. */
  deletedNothing(_isWanted: () => boolean): Promise<void> | null {
    return null;
  }

  /** @internal Called once, after `stop`. */
  ended(): void {}
}
