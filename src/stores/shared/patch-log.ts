/** Reads a large state as it is kept: a base, and the patches since. */
import { applyPatches } from "../../../actors/state/patches.ts";
import type { Json, Patch } from "../../../actors/protocol.ts";

/** Makes the error of a record that cannot be read. */
export type Damaged = (reason: string, cause?: unknown) => Error;

/** The last whole state of a record. */
export interface LogBase {
  readonly state: Json;
  readonly version: number;
}

/** One entry of a log. */
export interface LogStep {
  /** The version before it. */
  readonly since: number;
  readonly version: number;
  /** What a store appended: a list of patches. */
  readonly patches: Json;
}

/** The state at `version`; throws what `damaged` makes when base and steps do not lead there. */
export function replay(
  base: LogBase,
  steps: Iterable<LogStep>,
  version: number,
  damaged: Damaged,
): Json {
  let { state, version: reached } = base;
  for (const step of steps) {
    if (step.since !== reached) throw damaged(`no patch after version ${reached}`);
    try {
      // Whatever else a store finds there cannot be applied, or is caught by what the store checks.
      state = applyPatches(state, step.patches as unknown as readonly Patch[]);
    } catch (cause) {
      throw damaged("a patch does not fit the state before it", cause);
    }
    reached = step.version;
  }
  if (reached !== version) throw damaged(`its patches end at version ${reached}`);
  return state;
}

/** The value of a JSON text; throws what `damaged` makes. */
export function parseJson(text: string, damaged: Damaged): Json {
  try {
    // JSON.parse gives exactly the values of Json.
    return JSON.parse(text) as Json;
  } catch {
    // What the parser says repeats part of the text, which is a value.
    throw damaged("not JSON");
  }
}
