/**
 * The entry point `holdfast`.
 */
export type * from "../actors/operation-trace.ts";
export type * from "../actors/protocol.ts";
export * from "../actors/errors.ts";
export type { StateSchema } from "../actors/scope/validation.ts";
export { FEED_BUFFER_MAX } from "../actors/scope/change-stream.ts";
export type { DeepReadonly, Draft, Mutable } from "../actors/state-types.ts";
export { mutableCopy } from "../actors/state/mutable-copy.ts";
export type { Recipe } from "../actors/scope/recipe.ts";
export type { TransactRecipe } from "../actors/scope/transact.ts";
export type {
  ScopeActorRef,
  ScopeContext,
  ScopeEvent,
  ScopeSnapshot,
  SnapshotObserver,
} from "../actors/xstate/actor-ref.ts";
export type { ExclusiveOptions } from "../actors/scope/exclusive.ts";
export type { Answers } from "../actors/scope/options.ts";
export {
  createScope,
  type AtomicResult,
  type HeldScope,
  type Scope,
  type ScopeOptions,
  type ScopeStateOps,
  type Timer,
} from "./runtime/scope.ts";
export { createRuntime, type Runtime } from "./runtime/runtime.ts";
export type { RuntimeOptions } from "./runtime/options.ts";
export type { RuntimeStats } from "./runtime/stats.ts";
export type { ScopeOwner } from "./runtime/session/binding.ts";
export type { ExecuteOptions, ExecutionContext } from "./runtime/session/execution.ts";
export type { ForkOptions } from "./runtime/transaction/create.ts";
export type { DeleteAllOptions, EraseOptions } from "./runtime/removal.ts";
export type {
  ListedScope,
  ListedState,
  ListOptions,
  ScopeList,
  ScopeListing,
} from "./runtime/list.ts";
export {
  defineKind,
  type Durability,
  type Kind,
  type KindOptions,
  type Kinds,
} from "./runtime/kinds.ts";
export type { TimerHandler, TimerHandlers, TimerSettings } from "./runtime/timer-types.ts";
export type { Schedule, TimerOptions, TimerTime } from "../actors/timing.ts";
export type { Migration, VersionOptions } from "./runtime/kind-versions.ts";
export { applyPatches } from "./patches/apply-patches.ts";
export { fromJsonPatch } from "./patches/from-json-patch.ts";
export { toJson } from "./patches/to-json.ts";
export { type JsonPatchOperation, toJsonPatch } from "./patches/to-json-patch.ts";
export { memoryStore, type MemoryStoreOptions } from "./stores/memory/store.ts";
export type {
  CommitOptions,
  HistoryKeep,
  HistoryQuery,
  HistoryRow,
  HistoryWrite,
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  VersionCheck,
  WriteResult,
} from "./stores/contract.ts";
export {
  defineSequencer,
  step,
  type ChangedRun,
  type Sequencer,
  type SequencerOptions,
  type Step,
} from "./runtime/sequencer/define.ts";
export type { RetryOptions, StepOptions } from "./runtime/sequencer/step-rules.ts";
export type { RunScopes, StepContext, SuspendOptions } from "./runtime/sequencer/context.ts";
export type { RunHandle, RunOptions } from "./runtime/sequencer/sequencers.ts";
export type { RunMethods } from "./runtime/sequencer/run-methods.ts";
export type { RecoverOptions, RecoveryHandle } from "./runtime/sequencer/recovery.ts";
export type { RunInfo, RunsOptions } from "./runtime/sequencer/run-logs.ts";
export type {
  RunCancelledEvent,
  RunCompletedEvent,
  RunEvent,
  RunFailedEvent,
  RunResumedEvent,
  RunRetriedEvent,
  RunStartedEvent,
  RunStepEvent,
  RunSuspendedEvent,
} from "./runtime/sequencer/run-events.ts";
export type { WatchOptions } from "./runtime/sequencer/run-watch.ts";
export type { ForkRunOptions } from "./runtime/sequencer/run-fork.ts";
export type { ResumeOptions } from "./runtime/sequencer/run-answer.ts";
export type { Checkpoint } from "./runtime/sequencer/run-record.ts";
export type {
  RunFailure,
  RunOutcome,
  RunStatus,
  Suspension,
} from "./runtime/sequencer/run-port.ts";
