export type * from "../actors/protocol.ts";
export * from "../actors/errors.ts";
