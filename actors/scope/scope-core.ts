/**
 * What the parts that run and save mutations see of their scope: the narrow side of `scope.ts`.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { WholeChange } from "./change-event.ts";
import type { Call, Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { PersistBridge, ScopeIdentity } from "../protocol.ts";
import type { ScopeSettings } from "./options.ts";
import type { Cascade } from "./reentrancy.ts";
import type { Done } from "./unconfirmed.ts";

/** The narrow side of a scope. */
export interface ScopeCore {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  readonly bridge: PersistBridge<object> | null;
  readonly draft: DraftState;
  /** The confirmed version. */
  version: number;
  /** The store must be read before the next mutation: a commit's outcome is not known. */
  stale: boolean;
  /**
   * The time of the state is over: it is ended before anything builds on it. Absent: states of this
   * scope have no end.
   */
  readonly overdue?: boolean;
  /** Somebody wants patches: a listener, or whoever saves them. */
  readonly recording: boolean;
  /** Somebody hears of changes. */
  readonly listening: boolean;
  /** A record exists: it was written and not deleted. */
  exists: boolean;
  /** Where the scope is loaded from; user code may run again when what is there is newer. */
  readonly backing: PersistBridge<object> | null;
  /** Called with each local change that is answered before it is stored, before its event. */
  noted(done: Done, call: Call | null): void;
  /** Announces a confirmed change; `version` is the scope's after it, default the present one. */
  announce(mutation: Mutation, outcome: Outcome, call: Call | null, version?: number): void;
  /** Called when the scope went to what the store holds, before its event. */
  taken(): void;
  /**
   * Called once per confirmed save, or per change of a scope without a bridge, that the listeners
   * of `cause` have made.
   */
  committed(exists?: boolean, cause?: Cascade): void;
  /** Reads the store and adopts what it holds; on purpose also a record that went back. */
  reload(isWanted: () => boolean, onPurpose?: boolean): Promise<void>;
  /** Announces the present state as a whole. */
  announceState(change: WholeChange): void;
  /** The executor has nothing to do. */
  rest(): void;
}

/** What a scope is made from. */
export interface ScopeParts {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  readonly bridge: PersistBridge<object> | null;
  /** Deep-frozen, with its defaults. */
  readonly state: object;
  readonly version: number;
}
