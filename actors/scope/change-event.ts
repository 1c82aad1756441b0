/**
 * Builds the events of a scope. Called only when the scope has subscribers.
 */
import type { Outcome } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { JsonObject, ScopeIdentity, StateChange } from "../protocol.ts";
import type { DraftState } from "../state/draft-state.ts";
import type { ScopeSettings } from "./options.ts";
import type { Cascade } from "./reentrancy.ts";
import { whileWriting } from "./writing.ts";

/** The scope an event is about. */
export interface ChangedScope {
  readonly identity: ScopeIdentity;
  readonly version: number;
  readonly settings: ScopeSettings;
  readonly draft: DraftState;
  /** Changes of other processes may have been missed since the store was last read. */
  readonly gap?: boolean;
}

/** The event of one mutation; `version` is the scope's after it. */
export function changeOf(
  scope: ChangedScope,
  mutation: Mutation,
  outcome: Outcome,
  { version, meta }: { readonly version: number; readonly meta: JsonObject | undefined },
): StateChange {
  const path = mutation.path?.();
  const delta = mutation.delta?.(outcome.computed);
  return {
    type: "state_change",
    scope: scope.identity,
    version,
    operation: mutation.operation,
    ...(path === undefined ? {} : { path }),
    ...(delta === undefined ? {} : { delta }),
    patches: outcome.patches ?? [],
    inversePatches: outcome.inverse ?? [],
    origin: "local",
    timestamp: timeOf(scope),
    ...(meta === undefined ? {} : { meta }),
  };
}

/** A clock is user code: it must not change the scope between a change and its event. */
function timeOf({ identity, settings }: ChangedScope): number {
  return whileWriting(identity, () => settings.clock.now());
}

/** A state that replaced the one before it. */
export interface FoundState {
  readonly identity: ScopeIdentity;
  readonly version: number;
  readonly state: object;
  readonly timestamp: number;
  /** Default `refresh`. */
  readonly operation?: "refresh" | "delete";
  /** Default `remote`. */
  readonly origin?: "local" | "remote";
  /** Absent: known only in the process that changed it. */
  readonly before?: object;
  readonly meta?: JsonObject | undefined;
}

/** The event of a change that replaced the whole state. */
export function foundChange(found: FoundState): StateChange {
  const { identity: scope, version, state, timestamp, before, meta } = found;
  return {
    type: "state_change",
    scope,
    version,
    operation: found.operation ?? "refresh",
    patches: [{ op: "replace", path: [], value: state }],
    inversePatches: before === undefined ? [] : [{ op: "replace", path: [], value: before }],
    origin: found.origin ?? "remote",
    timestamp,
    ...(meta === undefined ? {} : { meta }),
  };
}

/** A change that replaced the state `before` by the present one. */
export interface WholeChange extends Required<Pick<FoundState, "operation" | "origin" | "before">> {
  readonly meta?: JsonObject | undefined;
  /** The listeners that made it. */
  readonly cause?: Cascade | undefined;
}

/** The event of a change that replaced the whole state of a loaded scope. */
export function stateChangeOf(scope: ChangedScope, change: WholeChange): StateChange {
  const { identity, version, draft, gap } = scope;
  const now = { identity, version, state: draft.expose(), timestamp: timeOf(scope) };
  const event = foundChange({ ...change, ...now });
  return gap === true && change.origin === "remote" ? { ...event, gap } : event;
}
