/**
 * The door `holdfast`.
 */
export type * from "../actors/protocol.ts";
export * from "../actors/errors.ts";
export type { StateSchema } from "../actors/checks.ts";
export type { Recipe } from "../actors/recipe.ts";
export {
  createScope,
  type AtomicResult,
  type Scope,
  type ScopeOptions,
  type ScopeStateOps,
} from "./runtime/scope.ts";
