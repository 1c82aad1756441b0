/**
 * What the inspector reads of the runs of a runtime: their records, and what is code and so in no
 * record, the definitions of sequencers and the schemas of the suspensions that wait.
 *
 * Invariants
 *  F1  At most `DEFINITIONS_MAX` definitions are kept for a runtime, and as many schemas for the
 *      process, where the id of a suspension is one of all runtimes; the oldest goes first.
 */
import type { ValueSchema } from "./checked-value.ts";
import type { AnySequencer } from "./define.ts";
import type { RunLogs } from "./run-logs.ts";

const DEFINITIONS_MAX = 1_000;

const definitions = new WeakMap<object, Map<string, AnySequencer>>();
const schemas = new Map<string, ValueSchema<unknown>>();

const logs = new WeakMap<object, RunLogs>();

/** A runtime, by what it is read from, has these records of runs. */
export function noteLogs(source: object, found: RunLogs): void {
  logs.set(source, found);
}

/** The records of the runs of a runtime. */
export function logsOf(source: object): RunLogs | undefined {
  return logs.get(source);
}

/** A runtime, by what it is read from, uses a sequencer. */
export function noteSequencer(source: object, sequencer: AnySequencer): void {
  let known = definitions.get(source);
  if (known === undefined) definitions.set(source, (known = new Map()));
  if (known.get(sequencer.name) !== sequencer) keep(known, sequencer.name, sequencer);
}

/** The sequencer of this name that a runtime used last; `undefined` when it used none. */
export function sequencerNamed(source: object, name: string): AnySequencer | undefined {
  return definitions.get(source)?.get(name);
}

/** A suspension with this id waits for data of this schema. */
export function noteSchema(id: string, schema: ValueSchema<unknown> | undefined): void {
  if (schema !== undefined) keep(schemas, id, schema);
}

/** The JSON Schema of the data that a suspension waits for, if its schema can give one. */
export function jsonSchemaOf(id: string): object | undefined {
  // Schemas of many libraries have it beside `validate`: "Standard JSON Schema".
  const standard: unknown = Reflect.get(Object(schemas.get(id)), "~standard");
  const convert: unknown = Reflect.get(Object(Object(standard).jsonSchema), "input");
  if (typeof convert !== "function") return undefined;
  try {
    const found: unknown = convert({ target: "draft-2020-12" });
    return typeof found === "object" && found !== null ? found : undefined;
  } catch {
    return undefined; // It has no form in JSON Schema.
  }
}

function keep<T>(known: Map<string, T>, name: string, value: T): void {
  known.delete(name);
  known.set(name, value);
  if (known.size <= DEFINITIONS_MAX) return;
  const [oldest] = known.keys();
  if (oldest !== undefined) known.delete(oldest);
}
