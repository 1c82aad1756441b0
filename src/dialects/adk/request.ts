/** What the calls of a session service take and give. */
import { StateTypeError } from "../../../actors/errors.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import type { Event } from "./event.ts";
import type { State } from "./state.ts";

/** Which session. */
export interface SessionKey {
  readonly appName: string;
  readonly userId: string;
  readonly sessionId: string;
}

/** A session as a caller holds it: his own copy. */
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

/** Asks for a new session. */
export interface CreateSessionRequest {
  readonly appName: string;
  readonly userId: string;
  /** `temp:` keys are dropped. */
  readonly state?: Readonly<Record<string, unknown>> | undefined;
  /** Default, also for an empty text: a UUID. */
  readonly sessionId?: string | undefined;
}

/** Which events come with a session. */
export interface GetSessionConfig {
  /** Only so many of the latest. */
  readonly numRecentEvents?: number | undefined;
  /** Only those after this time, in the unit of the events' timestamps. */
  readonly afterTimestamp?: number | undefined;
}

/** Asks for a session. */
export interface GetSessionRequest extends SessionKey {
  readonly config?: GetSessionConfig | undefined;
}

/** Asks for the sessions of an app, or of one user of it. */
export interface ListSessionsRequest {
  readonly appName: string;
  readonly userId?: string | undefined;
  /** Sessions in a page; default all. */
  readonly limit?: number | undefined;
  /** How many to leave out; `page` goes before it. */
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

/** Asks to append an event. */
export interface AppendEventRequest {
  readonly session: Session;
  readonly event: Event;
}

/** Checks the parts of a key. Throws `StateTypeError` naming the one that is wrong. */
export function checkKey(key: Readonly<Partial<Record<keyof SessionKey, unknown>>>): void {
  for (const name of ["appName", "userId"] as const) checkText(name, key[name], 1);
  if (key.sessionId !== undefined) checkText("sessionId", key.sessionId, 0);
}

/** Throws `StateTypeError` for what is not a text of at least `least` characters. */
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

/** Throws `RangeError` for what is no number. */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (typeof value === "number" && !Number.isNaN(value))) return;
  throw new RangeError(`${name} must be a number`);
}
