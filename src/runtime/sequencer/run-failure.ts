/**
 * Why a run failed, as stored in its record: name, code and message of the error. Its other fields,
 * its cause and its stack are not stored, because they may contain values.
 */
import { isError } from "../../../actors/realm.ts";
import type { RunFailure } from "./run-port.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { StoredRun } from "./run-record.ts";

/** Most characters kept of a message. */
const MESSAGE_LENGTH_MAX = 1_000;
/** Most characters kept of a name or a code. */
const NAME_LENGTH_MAX = 100;

/** The stored form of a thrown value of any type. */
export function failureOf(
  thrown: unknown,
  where: Pick<RunFailure, "step" | "attempt">,
): RunFailure {
  const code = textOf(thrown, "code", NAME_LENGTH_MAX);
  return Object.freeze({
    name: textOf(thrown, "name", NAME_LENGTH_MAX) ?? typeName(thrown),
    message: textOf(thrown, "message", MESSAGE_LENGTH_MAX) ?? "something else than an error",
    ...(code === undefined ? {} : { code }),
    ...where,
  });
}

/** The failure of a run as an error, for a caller that reads the outcome. */
export function failureError({ runId, error }: StoredRun): Error {
  if (error === null) return new Error(`run "${runId}" failed`);
  const { name, message, code, step } = error;
  const raised = new Error(`run "${runId}" failed in step "${step}": ${message}`);
  return Object.assign(raised, { name, ...(code === undefined ? {} : { code }) });
}

/** A text field of an error; `undefined` when it is no text or cannot be read. */
function textOf(thrown: unknown, field: string, most: number): string | undefined {
  if (!isError(thrown)) return undefined;
  try {
    const value: unknown = Reflect.get(thrown, field);
    return typeof value === "string" ? value.slice(0, most) : undefined;
  } catch {
    return undefined;
  }
}
