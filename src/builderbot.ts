/**
 * The entry point `holdfast/builderbot`.
 */
export {
  createBotState,
  type BotState,
  type CreateBotStateOptions,
} from "./dialects/builderbot/bot-state.ts";
export { GlobalState, type GlobalStateView } from "./dialects/builderbot/global-state.ts";
export {
  IdleState,
  type IdleEvent,
  type IdleReport,
  type IdleRequest,
  type IdleStateOptions,
} from "./dialects/builderbot/idle-state.ts";
export type { BotStateOptions } from "./dialects/builderbot/options.ts";
export type { BotRecord, BotUpdate } from "./dialects/builderbot/record.ts";
export {
  SingleState,
  type BotContext,
  type StateView,
} from "./dialects/builderbot/single-state.ts";
