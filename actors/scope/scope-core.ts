/**
 * The part of `scope.ts` that the files which run and save mutations use.
 */
import type { DraftState } from "../state/draft-state.ts";
import type { WholeChange } from "./change-event.ts";
import type { Call, Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { PersistBridge, ScopeIdentity, ScopeStats } from "../protocol.ts";
import type { ScopeSettings } from "./options.ts";
import type { Cascade, Held } from "./reentrancy.ts";
import type { Done } from "./unconfirmed.ts";

/** The internal interface of a scope. */
export interface ScopeCore {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  /** The deep-frozen state of a scope that was never written, or was deleted. */
  readonly initial: object;
  /** While an exclusive section keeps the record at the store, the bridge of that section. */
  bridge: PersistBridge<object> | null;
  readonly draft: DraftState;
  /** The confirmed version. */
  version: number;
  /** The store must be read before the next mutation: the outcome of a commit is unknown. */
  stale: boolean;
  /**
   * The state has expired: its end is committed before anything builds on it. Absent: states of
   * this scope do not expire.
   */
  readonly overdue?: boolean;
  /** A save needs the patches of a change. */
  readonly savesPatches: boolean;
  /** The scope has subscribers. */
  readonly listening: boolean;
  /** A record exists: it was written and not deleted. */
  exists: boolean;
  /** The bridge that loads the scope; user code may run again when its record is newer. */
  readonly backing: PersistBridge<object> | null;
  /** Called before the event of each local change that resolves before it is stored. */
  noted(done: Done, call: Call | null, outcome?: Outcome): void;
  /**
   * Announces a confirmed change of a scope that has subscribers; `version` is the scope's after
   * it, default the present one.
   */
  announce(mutation: Mutation, outcome: Outcome, by: Announced | null, version?: number): void;
  /** Called when the scope has adopted the store's record, before its event. */
  taken(): void;
  /**
   * Called once per confirmed save, or per change of a scope without a bridge, with the cascade of
   * the listeners that made it.
   */
  committed(cause?: Cascade): void;
  /** A delete has found no record: ends what is kept without one, while that `isWanted`. */
  deletedNothing(isWanted: () => boolean): Promise<void> | null;
  /** Reads the store and adopts its record; `onPurpose`: also one with a lower version. */
  reload(isWanted: () => boolean, onPurpose?: boolean): Promise<void>;
  /** Announces the present state as a whole. */
  announceState(change: WholeChange): void;
  /** The executor has nothing to do. */
  rest(): void;
}

/** Of a change that is announced: the options of its call, and the listeners that made it. */
export type Announced = Partial<Pick<Call, "options" | "cause">>;

/** What a scope does at a moment. */
export type Activity = Pick<ScopeStats, "waiting" | "running" | "saving">;

/** What calls run for: a scope, or an exclusive section on it, which has an executor of its own. */
export interface Lane {
  /** What the code of these calls holds; absent: the scope. */
  readonly holders?: readonly Held[];
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
  /** The same, of a scope that was never written, or was deleted. */
  readonly initial: object;
  readonly version: number;
}
