/**
 * The entry point `holdfast/actors`: the kernel, to compose with XState or to build on scopes.
 */
export type * from "../actors/operation-trace.ts";
export type * from "../actors/protocol.ts";
export * from "../actors/errors.ts";
export { applyPatches, PatchError } from "../actors/state/patches.ts";
export { equal } from "../actors/state/equal.ts";
export {
  actorOf,
  scopeLogic,
  type ScopeLogic,
  type ScopeLogicInput,
} from "../actors/xstate/scope-logic.ts";
export type {
  ScopeActorRef,
  ScopeContext,
  ScopeEvent,
  ScopeSnapshot,
  SnapshotObserver,
} from "../actors/xstate/actor-ref.ts";
export { systemClock } from "../actors/time/clock.ts";
export { sequencerLogic, type SequencerLogicInput } from "./runtime/sequencer/xstate-logic.ts";
export type { RunOutcome, RunStatus, Suspension } from "./runtime/sequencer/run-port.ts";
export { idleLogic, type IdleLogicInput, type TouchEvent } from "../actors/xstate/idle-logic.ts";
export {
  createTimerWheel,
  type TimerWheel,
  type TimerWheelOptions,
  type WheelHandle,
} from "../actors/time/timer-wheel.ts";
