/** Events and their actions, as classes and as the factories of the published package. */
import { randomInt } from "node:crypto";
import { StateTypeError } from "../../../actors/errors.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { flatten, put, thaw, type Fields } from "./thaw.ts";

/** The mark by which the published package knows an event. */
const SIGNATURE = Symbol.for("google.adk.event");
const ID_LENGTH = 8;
const ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** What an event does besides saying something. */
export class EventActions {
  /** Keys to set; `undefined` deletes a key. */
  stateDelta: Record<string, unknown> = {};
  artifactDelta: Record<string, number> = {};
  requestedAuthConfigs: Record<string, unknown> = {};
  requestedToolConfirmations: Record<string, unknown> = {};
  declare skipSummarization?: boolean;
  declare transferToAgent?: string;
  declare escalate?: boolean;
  [field: string]: unknown;

  /** The maps given are kept by reference until the event is appended. */
  constructor(fields: Partial<EventActions> = {}) {
    assign(this, fields);
  }
}

/** What an event can be made from. */
export interface EventFields {
  readonly id?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly actions?: Partial<EventActions> | undefined;
  readonly [field: string]: unknown;
}

/** One step of a conversation. */
export class Event {
  /** Eight letters and digits. */
  id: string;
  invocationId: string = "";
  declare author?: string;
  actions: EventActions;
  longRunningToolIds: string[] = [];
  declare branch?: string;
  /** Milliseconds since the epoch when nothing was given; a given one is kept as it is. */
  timestamp: number;
  declare partial?: boolean;
  declare content?: unknown;
  declare customMetadata?: Record<string, unknown>;
  declare errorCode?: string;
  declare errorMessage?: string;
  [field: string]: unknown;

  constructor(fields: EventFields = {}) {
    const { actions, id, timestamp, ...others } = fields;
    this.id = id ?? eventId();
    this.timestamp = timestamp ?? Date.now();
    this.actions = new EventActions(actions);
    assign(this, others);
    Object.defineProperty(this, SIGNATURE, { value: true, enumerable: true });
  }
}

/** Makes an event; a timestamp of 0 is kept. */
export function createEvent(fields: EventFields = {}): Event {
  return new Event(fields);
}

/** Makes the actions of an event. */
export function createEventActions(fields: Partial<EventActions> = {}): EventActions {
  return new EventActions(fields);
}

/** An event as it is stored: plain, deep-frozen data. */
export type StoredEvent = Readonly<Record<string, unknown>> & { readonly id: string };

/** Checks what a caller wants to append. Throws `StateTypeError` naming the field. */
export function checkEvent(event: unknown): void {
  if (typeof event !== "object" || event === null) throw wrong("event", "an event", event);
  const { id, timestamp, actions = {} } = event as Fields; // Each is checked before it is used.
  if (typeof id !== "string" || id === "") throw wrong("event.id", "a text", id);
  if (!Number.isFinite(timestamp)) throw wrong("event.timestamp", "a number", timestamp);
  if (typeof actions !== "object" || actions === null)
    throw wrong("event.actions", "an object", actions);
  const { stateDelta = {} } = actions as Fields;
  if (!isPlainObject(stateDelta)) throw wrong("event.actions.stateDelta", "a record", stateDelta);
}

/** The event as plain data with `stateDelta` in place of its own; a copy, not yet checked. */
export function plainEvent(event: object, id: string, stateDelta: Readonly<Fields>): StoredEvent {
  const fields: Fields = {};
  for (const [key, value] of Object.entries(event))
    if (value !== undefined && key !== "actions") put(fields, key, flatten(value));
  const actions = flatten((event as Fields)["actions"] ?? {}) as Fields; // Checked by `readEvent`.
  for (const key of Object.keys(actions)) if (actions[key] === undefined) delete actions[key];
  return { ...fields, id, actions: { ...actions, stateDelta } };
}

/** A stored event as an event that may be changed. */
export function thawEvent(stored: StoredEvent): Event {
  return new Event(thaw(stored) as EventFields); // What is stored was an event.
}

function assign(target: object, fields: object): void {
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) put(target, key, value); // A field left open keeps its default.
  }
}

function eventId(): string {
  let id = "";
  for (let at = 0; at < ID_LENGTH; at++) id += ID_LETTERS[randomInt(ID_LETTERS.length)];
  return id;
}

function wrong(path: string, expected: string, received: unknown): StateTypeError {
  return new StateTypeError({ path, expected, received: typeName(received) });
}
