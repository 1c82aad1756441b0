/** Events and their actions, as classes and as the factories of the published package. */
import { randomInt } from "node:crypto";
import { StateTypeError } from "../../../actors/errors.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { flatten, put, type Fields } from "./fields.ts";

/** The symbol by which the published package recognises an event. */
const SIGNATURE = Symbol.for("google.adk.event");
const ID_LENGTH = 8;
const ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** The effects of an event besides its content. */
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

/** The fields from which an event is made. */
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
  /** Milliseconds since the epoch by default; a given timestamp is kept as it is. */
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
    mark(this);
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

/**
 * A stored event: plain, deep-frozen data. An `Event` with its actions is stored as the record of
 * its fields, the layout of earlier versions for every event; any other object is stored as
 * `Wrapped`. `actions` tells them apart: a `Wrapped` has none.
 */
export type StoredEvent = Readonly<Record<string, unknown>> & { readonly id: string };

/** The kind of an event besides its fields, so that it is restored with the same kind. */
type Trait = "event" | "actions" | "mark";

/** An event that lacks a trait of an `Event`: a literal object, or one of the published package. */
interface Wrapped {
  readonly id: string;
  readonly fields: Readonly<Fields>;
  readonly traits: readonly Trait[];
}

const TRAITS: readonly Trait[] = ["event", "actions", "mark"];

/** Checks an event to append. Throws `StateTypeError` naming the field. */
export function checkEvent(event: unknown): void {
  if (typeof event !== "object" || event === null) throw wrong("event", "an event", event);
  const { id, timestamp, actions } = event as Fields; // Each is checked before it is used.
  if (typeof id !== "string" || id === "") throw wrong("event.id", "a text", id);
  if (!Number.isFinite(timestamp)) throw wrong("event.timestamp", "a number", timestamp);
  if (actions === undefined || actions === null) return;
  if (typeof actions !== "object") throw wrong("event.actions", "an object", actions);
  const { stateDelta } = actions as Fields;
  if (stateDelta === undefined || stateDelta === null || isPlainObject(stateDelta)) return;
  throw wrong("event.actions.stateDelta", "a record", stateDelta);
}

/**
 * The state changes that an event carries; `undefined` when it has none, not even an empty record.
 */
export function deltaOf(event: object): Readonly<Fields> | undefined {
  const { actions } = event as Fields;
  if (typeof actions !== "object" || actions === null) return undefined;
  const { stateDelta } = actions as Fields;
  return isPlainObject(stateDelta) ? stateDelta : undefined;
}

/**
 * Replaces the state changes of an event by the stored ones. An event without state changes is not
 * touched when none were stored, and a frozen one never is.
 */
export function showDelta(event: object, stored: Readonly<Fields>): void {
  if (deltaOf(event) === undefined && Object.keys(stored).length === 0) return;
  const { actions } = event as Fields;
  const stateDelta = mutableCopy(stored);
  if (typeof actions === "object" && actions !== null)
    Reflect.set(actions, "stateDelta", stateDelta);
  else Reflect.set(event, "actions", { stateDelta });
}

/** The event as plain data with the given `stateDelta`; a copy, not yet checked. */
export function plainEvent(event: object, id: string, stateDelta: Readonly<Fields>): StoredEvent {
  const fields: Fields = {};
  for (const [key, value] of Object.entries(event)) put(fields, key, flatten(value));
  put(fields, "id", id);
  if (deltaOf(event) !== undefined || Object.keys(stateDelta).length > 0) {
    // `checkEvent` has checked that it is an object, if present.
    const actions = (fields["actions"] ?? {}) as Fields;
    put(fields, "actions", { ...actions, stateDelta });
  }
  const traits = traitsOf(event);
  if (traits.length === TRAITS.length) return { ...fields, id };
  const wrapped: Wrapped = { id, fields, traits };
  return { ...wrapped };
}

function traitsOf(event: object): readonly Trait[] {
  const { actions } = event as Fields;
  const has: Record<Trait, boolean> = {
    event: event instanceof Event,
    actions: actions instanceof EventActions,
    mark: Reflect.get(event, SIGNATURE) === true,
  };
  return TRAITS.filter((trait) => has[trait]);
}

/** A stored event as a mutable event. */
export function thawEvent(stored: StoredEvent): Event {
  const { fields, traits } = unwrapped(stored);
  const event = as(
    traits.includes("event") ? Event.prototype : Object.prototype,
    mutableCopy(fields),
  );
  const { actions } = event;
  if (traits.includes("actions") && typeof actions === "object" && actions !== null)
    event["actions"] = as(EventActions.prototype, actions);
  if (traits.includes("mark")) mark(event);
  return event as Event; // A stored event was an event.
}

/** The fields of a stored event. */
export function fieldsOf(stored: StoredEvent): Readonly<Fields> {
  return unwrapped(stored).fields;
}

/** The timestamp of a stored event, in the unit of its maker. */
export function timeOf(stored: StoredEvent): number {
  return Number(unwrapped(stored).fields["timestamp"]);
}

function unwrapped(stored: StoredEvent): Omit<Wrapped, "id"> {
  const isWrapped = !Object.hasOwn(stored, "actions") && Object.hasOwn(stored, "traits");
  // Stored events are made only by `plainEvent`.
  return isWrapped ? (stored as unknown as Wrapped) : { fields: stored, traits: TRAITS };
}

/** The fields on an object of that prototype. */
function as(prototype: object, fields: object): Fields {
  if (prototype === Object.prototype) return fields as Fields; // The copy above is a plain record.
  // An object can have any field.
  const target = Object.create(prototype) as Fields;
  for (const [key, value] of Object.entries(fields)) put(target, key, value);
  return target;
}

/** Gives an event the symbol by which the published package recognises it. */
function mark(event: object): void {
  Object.defineProperty(event, SIGNATURE, { value: true, enumerable: true });
}

function assign(target: object, fields: object): void {
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) put(target, key, value); // An omitted field keeps its default.
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
