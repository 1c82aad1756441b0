/** What goes wrong with sessions, with the messages of the original. */

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

/** There is no such session to run a turn on. */
export function sessionMissing(sessionId: string): SessionError {
  return new SessionError("SESSION_NOT_FOUND", `Session not found: ${sessionId}`, sessionId);
}
