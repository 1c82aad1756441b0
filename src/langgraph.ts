/**
 * The entry point `holdfast/langgraph`: the checkpointer and the store of LangGraph on a runtime;
 * needs `@langchain/langgraph-checkpoint`.
 */
export { HoldfastSaver, type HoldfastSaverOptions } from "./adapters/langgraph/saver.ts";
export { HoldfastStore, type HoldfastStoreOptions } from "./adapters/langgraph/store.ts";
