/**
 * The door `holdfast`.
 */
export type * from "../actors/protocol.ts";
export * from "../actors/errors.ts";
export type { StateSchema } from "../actors/checks.ts";
export type { Recipe } from "../actors/recipe.ts";
export type { Answers } from "../actors/settings.ts";
export {
  createScope,
  type AtomicResult,
  type Scope,
  type ScopeOptions,
  type ScopeStateOps,
} from "./runtime/scope.ts";
export { createRuntime, type Runtime } from "./runtime/runtime.ts";
export type { RuntimeOptions } from "./runtime/home.ts";
export type { IdentityExtra } from "./runtime/binding.ts";
export type { ExecuteOptions, ExecutionContext } from "./runtime/execution.ts";
export type { ListedScope, ListOptions, ScopeList } from "./runtime/list.ts";
export { defineKind, type Durability, type Kind, type KindOptions } from "./runtime/kinds.ts";
export { memoryStore, type MemoryStoreOptions } from "./stores/memory.ts";
export type {
  CommitOptions,
  ListQuery,
  ScopeWrite,
  StateStore,
  StoredRecord,
  StoreSupports,
  VersionCheck,
  WriteResult,
} from "./stores/store.ts";
export {
  defineSequencer,
  step,
  type ChangedRun,
  type RunScopes,
  type Sequencer,
  type SequencerOptions,
  type Step,
  type StepContext,
} from "./runtime/sequence.ts";
export type { RunHandle, RunOptions } from "./runtime/sequencers.ts";
export type { ResumeOptions } from "./runtime/run-answer.ts";
export type { Checkpoint } from "./runtime/run-record.ts";
export type { RunFailure, RunOutcome, RunStatus, Suspension } from "../actors/sequencer.ts";
