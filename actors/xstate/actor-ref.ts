/**
 * The XState actor of a scope, described without XState's types: these do not compile in every
 * project, and only programs that use XState need them.
 *
 * Types only; `scope-logic.ts` has the logic, and `actorOf` gives the actor with XState's types.
 */
import type { Recipe } from "../scope/recipe.ts";
import type { ScopeIdentity } from "../protocol.ts";
import type { DeepReadonly } from "../state-types.ts";

/** The context of a scope's XState actor. */
export interface ScopeContext<S extends object = object> {
  readonly identity: ScopeIdentity;
  readonly state: DeepReadonly<S>;
  readonly version: number;
}

/** A snapshot of a scope's XState actor. */
export type ScopeSnapshot<S extends object = object> = {
  readonly context: ScopeContext<S>;
} & (
  | { status: "active" | "done" | "stopped"; output: undefined; error: undefined }
  | { status: "error"; output: undefined; error: unknown }
);

/** The events of a scope's XState actor. */
export type ScopeEvent<S extends object = object> =
  | { readonly type: "update"; readonly recipe: Recipe<S> }
  | { readonly type: "delete" }
  | { readonly type: "refresh" };

/** Receives the snapshots of an actor. */
export interface SnapshotObserver {
  next?(snapshot: ScopeSnapshot): void;
  error?(error: unknown): void;
  complete?(): void;
}

/** The XState actor of a scope. */
export interface ScopeActorRef {
  readonly id: string;
  readonly sessionId: string;
  getSnapshot(): ScopeSnapshot;
  send(event: ScopeEvent): void;
  /** Calls the observer with every later snapshot, and `complete` when the scope has stopped. */
  subscribe(observer: SnapshotObserver | ((snapshot: ScopeSnapshot) => void)): {
    unsubscribe(): void;
  };
  /** Ends the actor; the scope continues. */
  stop(): unknown;
}
