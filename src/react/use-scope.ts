/**
 * A scope of the client as the state of a component.
 *
 *  U1  Components that use the same scope of the same client share one stream. It starts when the
 *      first one is mounted, and ends when the last one is unmounted.
 *  U2  A render on a server sends no request. It shows what the first render in the browser shows:
 *      `initial`, or no state.
 */
import { useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client/client.ts";
import { NOTHING, type RemoteScope, type ScopeView, type Versioned } from "../client/scope.ts";

/** What a component has of a scope; the same object until something changes. */
export interface UsedScope<S extends object> extends ScopeView<S> {
  /** Changes the scope; see `RemoteScope`. The same function for as long as the scope is. */
  readonly patch: RemoteScope<S>["patch"];
}

/**
 * The scope `id` of the kind `type`, followed while the component is mounted. `initial` is shown
 * until the first snapshot arrives: a state that the server has put into the page.
 */
export function useScope<S extends object>(
  client: Client,
  type: string,
  id: string,
  initial?: Versioned<S>,
): UsedScope<S> {
  const scope = useMemo(() => client.scope<S>(type, id), [client, type, id]);
  const view: ScopeView<S> = useSyncExternalStore(
    scope.subscribe,
    () => scope.view,
    () => NOTHING,
  );
  const { patch } = scope;
  const first = view.state === undefined ? initial : undefined;
  return useMemo(
    () => ({ ...view, ...(first && { state: first.state, version: first.version }), patch }),
    [view, first, patch],
  );
}
