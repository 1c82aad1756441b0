/**
 * Problem bodies (RFC 9457): what a response says about a failure.
 *
 *  P1  A body carries a code, and no value, no stack and no message of another program: each text
 *      is one of this file, or of the code that throws an `HttpProblem`.
 *  P2  The table has every code of the library, so a new code does not compile without a status.
 */
import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { Json } from "../../actors/protocol.ts";

/** Codes of refusals that only HTTP has. */
export type HttpCode =
  | "BAD_REQUEST"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "CONFLICT"
  | "PRECONDITION_FAILED"
  | "BODY_TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "INVALID_BODY"
  | "PATCH_FAILED"
  | "INTERNAL";

/** What a problem adds to its status and its code. */
export interface ProblemParts {
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, Json>>;
}

/** A refusal with its response. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly code: HttpCode;
  readonly parts: ProblemParts;

  /** `detail` is sent to the client. */
  constructor(status: number, code: HttpCode, detail: string, parts: ProblemParts = {}) {
    super(detail);
    this.name = "HttpProblem";
    this.status = status;
    this.code = code;
    this.parts = parts;
  }
}

/** A bad query, header or body: 400. */
export function badRequest(detail: string): HttpProblem {
  return new HttpProblem(400, "BAD_REQUEST", detail);
}

/** Nothing is there, or nothing that is exposed: 404. */
export function notFound(detail: string = "nothing is exposed at this address"): HttpProblem {
  return new HttpProblem(404, "NOT_FOUND", detail);
}

/** A body that is JSON and has other members than the route takes: 422. */
export function invalidBody(detail: string): HttpProblem {
  return new HttpProblem(422, "INVALID_BODY", detail);
}

/** The reason phrases of the statuses in use. */
const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  423: "Locked",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

type Answer = readonly [status: number, detail: string];

/** The status and the text of each code of the library. */
const ANSWERS: Readonly<Record<ErrorCode, Answer>> = {
  CONCURRENT_MODIFICATION: [409, "other writers changed the scope in each attempt"],
  DEADLOCK: [409, "calls wait for each other in a circle"],
  REENTRANT_MUTATION: [409, "the scope is busy with the code that made this request"],
  EXCLUSIVE_LOST: [409, "the scope was taken over by another process"],
  SUSPENSION_MISMATCH: [409, "the run waits for another suspension"],
  SEQUENCER_CHANGED: [409, "the steps of the sequencer have changed since the run was stored"],
  RUN_LEASED: [409, "the run is being executed"],
  RUN_CANCELLED: [409, "the run was cancelled"],
  RUN_NOT_FOUND: [404, "there is no such run"],
  SCOPE_EXISTS: [409, "there is a scope with this id"],
  HISTORY_GONE: [410, "this version is no longer kept"],
  BINDING_MISMATCH: [403, "the scope is bound to another owner"],
  STATE_TOO_LARGE: [413, "the state would be larger than its limit"],
  STATE_NOT_SERIALIZABLE: [413, "the state would be over a limit of depth or size"],
  STATE_INVALID: [422, "the result does not fit its schema"],
  STATE_TYPE: [422, "the change does not fit the state, or would leave no object"],
  SCOPE_MUTATION_TIMEOUT: [423, "the scope was busy for longer than the time limit"],
  MAILBOX_FULL: [429, "too many changes of this scope wait"],
  STORE_UNAVAILABLE: [503, "the store cannot be reached"],
  COMMIT_UNKNOWN: [503, "the outcome of the save is unknown; read before repeating the change"],
  SCOPE_STOPPED: [503, "the runtime is closing"],
  RUNTIME_CLOSED: [503, "the runtime is closed"],
  STORE_CLOSED: [503, "the store is closed"],
  CORRUPT_STATE: [500, "the stored state is damaged"],
  STATE_VERSION: [500, "the state was stored by a newer program"],
  STORE_CONTRACT: [500, "the store broke its contract"],
  STATE_SEALED: [500, "the state belongs to a turn that has ended"],
  SUSPENSION_TIMEOUT: [500, "a suspension was not resumed in time"],
  STEP_TIMEOUT: [500, "a step did not end in time"],
  RUN_ABANDONED: [500, "the process of the run ended in the same step each time"],
};

/** Statuses of failures that pass by themselves. */
const PASSING: ReadonlySet<number> = new Set([423, 429, 503]);
/** Seconds after which a client may repeat a request that failed for now. */
const RETRY_AFTER_S = "1";

/** The response to a failure. */
export function problemResponse(error: unknown): Response {
  if (error instanceof HttpProblem) return bodyOf(error.status, error, error.parts);
  if (!isHoldfastError(error))
    return bodyOf(500, { code: "INTERNAL", message: "the request could not be served" });
  const [status, message] = answerTo(error.code, error);
  return bodyOf(status, { code: error.code, message }, { members: membersOf(error) });
}

/** True when the failure is the server's: it should be logged. */
export function isServerFault(response: Response): boolean {
  return response.status >= 500;
}

function answerTo(code: ErrorCode, error: Error): Answer {
  // A call that runs for too long waits for the store, not for the scope.
  const isSlow = isHoldfastError(error, "SCOPE_MUTATION_TIMEOUT") && error.phase === "running";
  return isSlow ? [503, "the change did not end within the time limit"] : ANSWERS[code];
}

/** What a client can use of an error's fields: never a value, nor a text that may contain one. */
function membersOf(error: Error): Record<string, Json> {
  if (isHoldfastError(error, "HISTORY_GONE")) return { oldest: error.oldest };
  if (!isHoldfastError(error, "STATE_INVALID")) return {};
  return { issues: error.issues.map(({ path = [] }) => ({ path: path.map(pathKey) })) };
}

function pathKey(key: PropertyKey): string | number {
  return typeof key === "number" ? key : String(key);
}

function bodyOf(
  status: number,
  { code, message: detail }: { readonly code: string; readonly message: string },
  { headers, members }: ProblemParts = {},
): Response {
  const title = TITLES[status] ?? (status < 500 ? "Refused" : "Failed");
  const body = { type: "about:blank", title, status, code, detail, ...members };
  const again = PASSING.has(status) ? { "retry-after": RETRY_AFTER_S } : {};
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...again,
      ...headers,
    },
  });
}
