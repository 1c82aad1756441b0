/** The entry point `holdfast/testing`: tools for tests of stores and of programs that use them. */
export { describeChatState, type ChatStateSuiteOptions } from "./testing/chat-state-suite.ts";
export type { ChatLock, ChatQueueEntry, ChatState } from "./testing/suite-chat.ts";
export { simulatedClock, type SimulatedClock } from "./testing/clock.ts";
export {
  faultyStore,
  type FaultCall,
  type FaultKind,
  type FaultPlan,
  type FaultyStore,
} from "./testing/faulty-store.ts";
export {
  checkLinearizable,
  type LinearizableResult,
  type SequentialModel,
  type TimedOperation,
} from "./testing/linearizable.ts";
export { seededRandom, type Random } from "./testing/random.ts";
export { describeStore, type SuiteRunner } from "./testing/store-suite.ts";
export type { StoreSuiteOptions, SuiteContext } from "./testing/suite-case.ts";
