/**
 * The scopes that a program follows. All parts of a program that hold the same scope share one
 * object with one stream, because browsers open few connections to a host.
 */
import { type ConnectOptions, silenceOf } from "./requests.ts";
import { FollowedScope, type RemoteScope } from "./scope.ts";

/** A connection to a handler; see `connect`. */
export interface Client {
  /**
   * A scope of the server; no request is sent before `subscribe` or `patch`. While one is held, the
   * same type and id give the same object, until it is closed.
   */
  scope<S extends object>(type: string, id: string): RemoteScope<S>;
}

/**
 * The scopes behind `url`, the address at which `createHandler` serves, with its `basePath`. Throws
 * `RangeError` for a bad `silenceMs`.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  silenceOf(options);
  const base = String(url).replace(/\/+$/, "");
  const scopes = new Map<string, WeakRef<FollowedScope>>();
  const forgotten = new FinalizationRegistry((path: string) => {
    if (scopes.get(path)?.deref() === undefined) scopes.delete(path);
  });
  return {
    scope<S extends object>(type: string, id: string): RemoteScope<S> {
      const path = `${base}/scopes/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
      let scope = scopes.get(path)?.deref();
      if (scope === undefined || scope.status === "closed") {
        scope = new FollowedScope(path, options);
        scopes.set(path, new WeakRef(scope));
        forgotten.register(scope, path);
      }
      // What the server holds under this address is the caller's to know.
      return scope as unknown as RemoteScope<S>;
    },
  };
}
