/**
 * The scopes and runs of a runtime over HTTP: a web-standard handler for states, changes as
 * server-sent events, and history.
 */
export { createHandler, type HandlerOptions } from "./http/handler.ts";
export { inspector, type InspectorOptions } from "./http/inspector/inspector.ts";
export type { KindExposure } from "./http/exposure.ts";
export type { Access, Authorize, Verdict } from "./http/security.ts";
export { type Handler, type NodeListener, toNodeListener } from "./http/node-listener.ts";
export { type AgUiStateEvent, toAgUiEvents } from "./http/ag-ui.ts";
