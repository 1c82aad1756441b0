/**
 * The door `holdfast/actors`: the kernel, for people who compose with XState or build on scopes.
 */
export type * from "./protocol.ts";
export * from "./errors.ts";
export { applyPatches, PatchError } from "./patches.ts";
export { equal } from "./equal.ts";
export {
  scopeLogic,
  type ScopeContext,
  type ScopeEvent,
  type ScopeLogic,
  type ScopeLogicInput,
  type ScopeSnapshot,
} from "./scope-logic.ts";
export { systemClock } from "./clock.ts";
export { sequencerLogic, type SequencerLogicInput } from "./sequencer-logic.ts";
export type { RunOutcome, RunStatus, Suspension } from "./sequencer.ts";
export { idleLogic, type IdleLogicInput, type TouchEvent } from "./idle-logic.ts";
export {
  createTimerWheel,
  type TimerWheel,
  type TimerWheelOptions,
  type WheelHandle,
} from "./idle.ts";
