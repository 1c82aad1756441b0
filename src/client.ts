/**
 * Scopes of a server that `holdfast/http` serves, in a browser or any program with `fetch`: their
 * states as they change, and patches. It needs nothing of Node and no other package.
 */
export { connect, type Client } from "./client/client.ts";
export type { PatchOptions, RemoteScope, ScopeView, Status, Versioned } from "./client/scope.ts";
export { type ConnectOptions, type Fetch, type HeaderValues } from "./client/requests.ts";
export { RequestError } from "./client/requests.ts";
