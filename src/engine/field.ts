/**
 * The fields of an input line and how they are checked.
 */

/** The value of a slot. */
export type SlotValue = string | number | boolean;
/** Slots by name. */
export type Slots = Readonly<Record<string, SlotValue>>;

/** The content of a line, without its number. */
export interface Utterance {
  readonly user: string;
  readonly session: string;
  readonly org?: string;
  readonly text: string;
  /** Absent: to be found in the text. */
  readonly slots?: Slots;
}

/** Why a line cannot be used. */
export class LineError extends Error {
  override readonly name = "LineError";
}

/** Most characters of an id. */
const ID_LENGTH_MAX = 256;

/** The value of an own field. */
export function own(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** A JSON object; throws `LineError`. */
export function recordOf(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LineError(`${name} must be an object`);
  // A JSON object that is not an array has string keys.
  return value as Readonly<Record<string, unknown>>;
}

/** A text that can be an id; throws `LineError`. */
export function idOf(name: string, value: unknown): string {
  const text = textOf(name, value);
  if (text.trim() === "") throw new LineError(`${name} must not be blank`);
  if (text.length > ID_LENGTH_MAX)
    throw new LineError(`${name} must have at most ${ID_LENGTH_MAX} characters`);
  return text;
}

/** Any text; throws `LineError`. */
export function textOf(name: string, value: unknown): string {
  if (typeof value !== "string") throw new LineError(`${name} must be a string`);
  return value;
}

/** Slots by name; throws `LineError`. */
export function slotsOf(name: string, value: unknown): Slots {
  const slots = recordOf(name, value);
  for (const [slot, content] of Object.entries(slots))
    if (!["string", "number", "boolean"].includes(typeof content))
      throw new LineError(`${name} must contain strings, numbers or booleans, "${slot}" does not`);
  // Checked just above.
  return slots as Slots;
}
