/** The entry point `holdfast/ai`: the messages of a chat of the AI SDK. */
export {
  chatHistory,
  type ChatHistory,
  type ChatState,
  type MessagesOptions,
  type TrimOptions,
} from "./adapters/ai/chat-history.ts";
