/** The entry point `holdfast/openai-agents`: sessions of the OpenAI Agents SDK. */
export {
  HoldfastSession,
  type HoldfastSessionOptions,
  OPERATIONS_MAX,
  SessionHistoryError,
} from "./adapters/openai-agents/session.ts";
