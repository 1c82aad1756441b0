/** The errors of sessions, with the messages of the original. */
import { CorruptStateError } from "../../../actors/errors.ts";

/** Why a session call was rejected. */
export type SessionErrorCode = "SESSION_EXISTS" | "SESSION_NOT_FOUND" | "INVOCATION_NOT_FOUND";

/** A session or an invocation is not there, or a session is that should not be. Test `code`. */
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

/** The id exists already. */
export function sessionExists(sessionId: string): SessionError {
  const message = `Session with id ${sessionId} already exists.`;
  return new SessionError("SESSION_EXISTS", message, sessionId);
}

/** The session does not exist, or was deleted. */
export function sessionNotFound(sessionId: string): SessionError {
  const message = `Session ${sessionId} not found for appendEvent`;
  return new SessionError("SESSION_NOT_FOUND", message, sessionId);
}

/** The session exists, but a part of its events is missing. */
export function pageMissing(sessionId: string): CorruptStateError {
  const reason = "a record with a page of its events is missing";
  return new CorruptStateError({ location: `the events of session ${sessionId}`, reason });
}

/** There is no session for the turn. */
export function sessionMissing(sessionId: string): SessionError {
  return new SessionError("SESSION_NOT_FOUND", `Session not found: ${sessionId}`, sessionId);
}

/** No event of the session that counts is of this invocation. */
export function invocationMissing(sessionId: string, invocationId: string): SessionError {
  const message = `Invocation ID not found: ${invocationId}`;
  return new SessionError("INVOCATION_NOT_FOUND", message, sessionId);
}
