/**
 * The entry point `holdfast/chat-sdk`.
 */
export { createHoldfastState, type HoldfastStateOptions } from "./adapters/chat-sdk/state.ts";
