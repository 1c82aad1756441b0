/**
 * What a scope lets its keeper know, in the turn in which it happens. A scope on its own has no
 * keeper, so nothing happens; the scope of a runtime overrides these. None of them may throw.
 */
import type { Call } from "./mailbox.ts";
import type { StateChange } from "../protocol.ts";
import type { Done } from "./unconfirmed.ts";

/** The base of a scope; every hook does nothing. */
export class ScopeHooks {
  /** @internal Every change is wanted with its patches, besides by the listeners. */
  get watched(): boolean {
    return false;
  }

  /** @internal A local change is answered before it is stored; called before its event. */
  noted(_done: Done, _call: Call | null): void {}

  /** @internal Called with each change, when `watched`. */
  published(_change: StateChange): void {}

  /** @internal Called when the scope went to what the store holds, before its event. */
  taken(): void {}

  /** @internal Called once, after `stop`. */
  ended(): void {}
}
