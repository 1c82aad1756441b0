/** The entry point `holdfast/adk`: session state for agents, with the agent kit's API. */
export {
  createEvent,
  createEventActions,
  Event,
  EventActions,
  type EventFields,
} from "./dialects/adk/event.ts";
export type {
  AppendEventRequest,
  CreateSessionRequest,
  GetSessionConfig,
  GetSessionRequest,
  ListSessionsRequest,
  ListSessionsResponse,
  Session,
  SessionKey,
} from "./dialects/adk/request.ts";
export type { ConflictPolicy, Profile } from "./dialects/adk/append.ts";
export type { Artifacts } from "./dialects/adk/artifacts.ts";
export type { RewindSessionRequest } from "./dialects/adk/rewind.ts";
export { SessionService, type SessionServiceOptions } from "./dialects/adk/service.ts";
export {
  DatabaseSessionService,
  InMemorySessionService,
  type ServiceOptions,
} from "./dialects/adk/services.ts";
export { SessionError, type SessionErrorCode } from "./dialects/adk/session-error.ts";
export { State, StatePrefix } from "./dialects/adk/state.ts";
export { StateSchemaError, type StateSchema } from "./dialects/adk/state-schema.ts";
export { queued, runTurn, type TurnKey, type TurnOptions } from "./dialects/adk/turn.ts";
