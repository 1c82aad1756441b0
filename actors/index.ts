export type * from "./protocol.ts";
export * from "./errors.ts";
