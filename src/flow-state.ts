/**
 * The entry point `holdfast/flow-state`: flow-state-dev's own shapes over the kernel.
 */
export * from "../actors/errors.ts";
export type {
  MutationOptions,
  MutationContext,
  StateChange,
  StateSizeWarning,
} from "../actors/protocol.ts";
export {
  createStateContainer,
  type ContainerOptions,
  type ObservableContainer,
  type StateContainer,
} from "./dialects/flow-state/container.ts";
export {
  createScopeStateOps,
  type ContainerOps,
  type ScopeStateOpsOptions,
} from "./dialects/flow-state/ops.ts";
export type { RunWithCASResult } from "./dialects/flow-state/cas.ts";
export {
  runWithCAS,
  type CASMutator,
  type CASOptions,
  type RunWithCASOptions,
} from "./dialects/flow-state/run-with-cas.ts";
export {
  isCommutativeHint,
  type CASMutationHint,
  type CASPersist,
  type CASPersistResult,
  type CASReread,
} from "./dialects/flow-state/persist.ts";
export type { SizeOptions } from "./dialects/flow-state/size-hook.ts";
export { withScopeLock, type LockOptions, type LockTurn } from "./dialects/flow-state/lock.ts";
export {
  createExecutionContext,
  type ContextScope,
  type ContextState,
  type CreateExecutionContextOptions,
  type FlowExecutionContext,
  type ScopeStates,
} from "./dialects/flow-state/context.ts";
export type { ScopeStateOps } from "./runtime/scope.ts";
