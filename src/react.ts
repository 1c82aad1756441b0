/** A hook for React 18 and later: a scope of a server as the state of a component. */
export { useScope, type UsedScope } from "./react/use-scope.ts";
