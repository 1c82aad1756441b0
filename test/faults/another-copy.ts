/** What a test needs of the package, to be loaded once more. */
export * as library from "../../src/index.ts";
export * as stores from "./open-store.ts";
export * as turnState from "../../src/turn-state.ts";
export * as files from "../../src/stores/file/store.ts";
