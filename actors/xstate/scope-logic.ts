/**
 * A scope as XState actor logic: subscribe to it, inspect it, invoke it from a machine, wait for
 * it.
 *
 * The scope runs on its own; the XState actor receives its changes and shows them as snapshots. So
 * XState is not on the hot path, and a scope without an XState actor has no cost for it.
 *
 *   snapshot.status  active → done (the scope was stopped)
 *   snapshot.context { identity, state, version }
 *   events in        { type: "update", recipe } · { type: "delete" } · { type: "refresh" }
 *
 * A failed event is an `error` snapshot only for the event's own promise, never for the actor: a
 * scope continues after a refused mutation. The failure is reported to the scope's logger.
 */
import { type Actor, type ActorLogic, createActor } from "xstate";
import type { ChangeListener } from "../scope/change-stream.ts";
import type { Recipe } from "../scope/recipe.ts";
import type { DeepReadonly } from "../state-types.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import type { ScopeActorRef, ScopeEvent, ScopeSnapshot } from "./actor-ref.ts";

/** The part of a scope that its XState actor uses; every `Scope` fits. */
export interface ShownScope<S extends object = object> {
  readonly identity: ScopeIdentity;
  readonly state: DeepReadonly<S>;
  readonly version: number;
  update(recipe: Recipe<S>): Promise<boolean>;
  delete(): Promise<boolean>;
  refresh(): Promise<void>;
  subscribe(listener: ChangeListener): () => void;
  /** Default: the console. The scopes of this package have this and the two below. */
  readonly settings?: { readonly logger: Logger } | undefined;
  /** Default false. */
  readonly stopped?: boolean | undefined;
  /** Calls back once when the scope has stopped; the returned function removes the callback. */
  onEnd?(callback: () => void): () => void;
}

/** Input of the scope logic: the scope to show. */
export interface ScopeLogicInput<S extends object = object> {
  readonly scope: ShownScope<S>;
}

/** The scope's own event to its XState actor; other code must not send it. */
type ScopeNews = { readonly type: "holdfast.news" };

/** The logic behind `scope.actor`. */
export type ScopeLogic<S extends object = object> = ActorLogic<
  ScopeSnapshot<S>,
  ScopeEvent<S> | ScopeNews,
  ScopeLogicInput<S>
>;

interface Link {
  readonly scope: ShownScope;
  readonly cut: (() => void)[];
}

/** The scope of each running XState actor. */
const links = new WeakMap<object, Link>();

function snapshotOf(scope: ShownScope): ScopeSnapshot {
  const { identity, state, version } = scope;
  const context = {
    identity,
    version,
    // The state may expire without a change event.
    get state() {
      return scope.version === version ? scope.state : state;
    },
  };
  const status = scope.stopped === true ? "done" : "active";
  return { status, output: undefined, error: undefined, context };
}

function run(scope: ShownScope, event: ScopeEvent): Promise<unknown> {
  if (event.type === "update") return scope.update(event.recipe);
  return event.type === "delete" ? scope.delete() : scope.refresh();
}

/** Actor logic that shows a scope; `input: { scope }`. Use it as `src` of an invoke. */
export const scopeLogic: ScopeLogic = {
  getInitialSnapshot: ({ self }, { scope }) => {
    links.set(self, { scope, cut: [] });
    return snapshotOf(scope);
  },
  start: (_snapshot, { self }) => {
    const link = links.get(self);
    if (link === undefined) return;
    const notify = (): void => self.send({ type: "holdfast.news" });
    link.cut.push(link.scope.subscribe(notify));
    const cutEnd = link.scope.onEnd?.(notify);
    if (cutEnd !== undefined) link.cut.push(cutEnd);
  },
  transition: (snapshot, event, { self }) => {
    const link = links.get(self);
    if (link === undefined) return snapshot;
    const type: string = event.type; // XState sends events of its own besides the declared ones.
    if (type === "xstate.stop") {
      for (const cut of link.cut.splice(0)) cut();
      return { ...snapshot, status: "stopped" } as ScopeSnapshot; // As in XState's own logics.
    }
    if (event.type === "holdfast.news") return snapshotOf(link.scope);
    if (type !== "update" && type !== "delete" && type !== "refresh") return snapshot;
    const { identity: scope, settings } = link.scope;
    const logger = settings?.logger ?? console;
    run(link.scope, event).catch((error: unknown) =>
      logger.error(`a ${type} sent to a scope's actor failed`, { scope, error }),
    );
    return snapshot;
  },
  getPersistedSnapshot: (snapshot) => snapshot,
};

/** The started XState actor of a scope. */
export function createScopeActor(scope: ShownScope): ScopeActorRef {
  const id = `${scope.identity.type}/${scope.identity.id}`;
  return createActor(scopeLogic, { id, input: { scope } }).start();
}

/** The actor of a scope, `scope.actor`, with XState's types, as its `waitFor` needs them. */
export function actorOf(scope: { readonly actor: ScopeActorRef }): Actor<ScopeLogic> {
  return scope.actor as Actor<ScopeLogic>; // Made by `createScopeActor`, for every scope.
}
