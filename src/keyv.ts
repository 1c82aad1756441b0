/**
 * The entry point `holdfast/keyv`.
 */
export { KeyvHoldfast, type KeyvHoldfastOptions } from "./adapters/keyv/store.ts";
