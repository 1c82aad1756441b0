/** The arguments and results of a session service. */
import { StateTypeError } from "../../../actors/errors.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import type { Event } from "./event.ts";
import type { State } from "./state.ts";

/** Identifies a session. */
export interface SessionKey {
  readonly appName: string;
  readonly userId: string;
  readonly sessionId: string;
}

/** A session for a caller: a copy of its own. */
export interface Session {
  id: string;
  appName: string;
  userId: string;
  /** The working copy. */
  state: State;
  events: Event[];
  /** The timestamp of the last event, or when it was created, in milliseconds. */
  lastUpdateTime: number;
}

/** The request for a new session. */
export interface CreateSessionRequest {
  readonly appName: string;
  readonly userId: string;
  /** `temp:` keys are dropped. */
  readonly state?: Readonly<Record<string, unknown>> | undefined;
  /** Default, also for an empty text: a UUID. */
  readonly sessionId?: string | undefined;
}

/** Selects the events of a session. */
export interface GetSessionConfig {
  /** Only this number of the latest events. */
  readonly numRecentEvents?: number | undefined;
  /** Only events after this time, in the unit of their timestamps. */
  readonly afterTimestamp?: number | undefined;
  /** Also the events that no longer count since a rewind, and those of rewinds; default false. */
  readonly rewound?: boolean | undefined;
}

/** The request for a session. */
export interface GetSessionRequest extends SessionKey {
  readonly config?: GetSessionConfig | undefined;
}

/** The request for the sessions of an app, or of one user of it. */
export interface ListSessionsRequest {
  readonly appName: string;
  readonly userId?: string | undefined;
  /** Sessions in a page; default all. */
  readonly limit?: number | undefined;
  /** How many sessions to skip; `page` has precedence. */
  readonly offset?: number | undefined;
  /** Counts from 1; without a `limit` there is one page. */
  readonly page?: number | undefined;
  /** By last update; default by user and id. */
  readonly order?: "asc" | "desc" | undefined;
}

/** One page of sessions, without their events. */
export interface ListSessionsResponse {
  readonly sessions: Session[];
  readonly page: number;
  readonly limit: number;
  readonly totalItems: number;
  readonly totalPages: number;
}

/** The request to append an event. */
export interface AppendEventRequest {
  readonly session: Session;
  readonly event: Event;
}

/** The parts of a key, as received from a caller. */
type KeyParts = Readonly<Partial<Record<keyof SessionKey, unknown>>>;

/** Checks the parts of a new session's key. Throws `StateTypeError` naming a wrong one. */
export function checkKey(key: KeyParts): void {
  checkRequest(key);
  for (const name of ["appName", "userId"] as const) checkText(name, key[name], 1);
  if (!isAbsent(key.sessionId)) checkText("sessionId", key.sessionId, 1);
}

/**
 * True when no part is absent, so that such a session may exist: a session always has an app, a
 * user and an id. Throws `StateTypeError` naming a present part that is not a text.
 */
export function isWholeKey(key: KeyParts): key is SessionKey {
  checkRequest(key);
  const { appName, userId, sessionId } = key;
  const parts = Object.entries({ appName, userId, sessionId }).filter(
    ([, part]) => !isAbsent(part),
  );
  for (const [name, part] of parts) checkText(name, part, 1);
  return parts.length === 3;
}

/** True for a missing value and for an empty text. */
export function isAbsent(part: unknown): boolean {
  return part === undefined || part === null || part === "";
}

/** Throws `StateTypeError` for a value without readable fields. */
export function checkRequest(request: unknown): void {
  if (typeof request === "object" && request !== null) return;
  const received = typeName(request);
  throw new StateTypeError({ path: "request", expected: "an object", received });
}

const CONFIG = optionNames<GetSessionConfig>({
  numRecentEvents: true,
  afterTimestamp: true,
  rewound: true,
});

/**
 * Checks the selection of events. Throws `RangeError` for a bad number and `TypeError` for an
 * unknown name: ignoring it would return unexpected events.
 */
export function checkConfig(config: GetSessionConfig): void {
  refuseUnknown("config of getSession", config, CONFIG);
  checkCount("numRecentEvents", config.numRecentEvents);
  const { afterTimestamp: time, rewound } = config;
  if (rewound !== undefined && typeof rewound !== "boolean")
    throw new StateTypeError({
      path: "config.rewound",
      expected: "a boolean",
      received: typeName(rewound),
    });
  if (time === undefined || (typeof time === "number" && !Number.isNaN(time))) return;
  throw new RangeError("afterTimestamp must be a number");
}

/** Throws `StateTypeError` unless the value is a text of at least `least` characters. */
export function checkText(name: string, value: unknown, least: number): void {
  if (typeof value === "string" && value.length >= least) return;
  const received = value === "" ? "an empty text" : typeName(value);
  throw new StateTypeError({ path: name, expected: "a text", received });
}

/** Throws `StateTypeError` for an initial state that is not a record. */
export function checkState(state: unknown): void {
  if (isPlainObject(state)) return;
  throw new StateTypeError({ path: "state", expected: "a record", received: typeName(state) });
}

/** Throws `RangeError` for a number that is not whole or below `least`. */
export function checkCount(name: string, value: number | undefined, least = 0): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  throw new RangeError(`${name} must be a whole number of at least ${least}`);
}
