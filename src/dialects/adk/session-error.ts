/** What goes wrong with sessions, with the messages of the original. */
import { CorruptStateError } from "../../../actors/errors.ts";

/** Why a session call was refused. */
export type SessionErrorCode = "SESSION_EXISTS" | "SESSION_NOT_FOUND";

/** A session that should not exist does, or the other way round. Test `code`. */
export class SessionError extends Error {
  readonly code: SessionErrorCode;
  readonly sessionId: string;

  constructor(code: SessionErrorCode, message: string, sessionId: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.sessionId = sessionId;
  }
}

/** The id is taken. */
export function sessionExists(sessionId: string): SessionError {
  const message = `Session with id ${sessionId} already exists.`;
  return new SessionError("SESSION_EXISTS", message, sessionId);
}

/** There is no such session, or not any more. */
export function sessionNotFound(sessionId: string): SessionError {
  const message = `Session ${sessionId} not found for appendEvent`;
  return new SessionError("SESSION_NOT_FOUND", message, sessionId);
}

/** The session is there, but not all of its events are. */
export function pageMissing(sessionId: string): CorruptStateError {
  const reason = "a record with a page of its events is missing";
  return new CorruptStateError({ location: `the events of session ${sessionId}`, reason });
}

/** There is no such session to run a turn on. */
export function sessionMissing(sessionId: string): SessionError {
  return new SessionError("SESSION_NOT_FOUND", `Session not found: ${sessionId}`, sessionId);
}
