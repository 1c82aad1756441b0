/** Reads a large state as it is stored: a base, and the patches since. */
import { applyPatches } from "../../../actors/state/patches.ts";
import type { Json, Patch } from "../../../actors/protocol.ts";

/** Makes the error of a record that cannot be read. */
export type Damaged = (reason: string, cause?: unknown) => Error;

/** The last whole state of a record. */
export interface LogBase {
  readonly state: Json;
  readonly version: number;
}

/** One patch row of a log. */
export interface LogStep {
  /** The version before this step. */
  readonly since: number;
  readonly version: number;
  /** What a store appended: a list of patches. */
  readonly patches: Json;
}

/** The state at `version`; throws `damaged(…)` when base and steps do not lead to it. */
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
      // Any other value in a damaged log fails here or in the store's checks.
      state = applyPatches(state, step.patches as unknown as readonly Patch[]);
    } catch (cause) {
      throw damaged("a patch does not fit the state before it", cause);
    }
    reached = step.version;
  }
  if (reached !== version) throw damaged(`its patches end at version ${reached}`);
  return state;
}

/** The value of a JSON text; throws `damaged(…)` when it does not parse. */
export function parseJson(text: string, damaged: Damaged): Json {
  try {
    // JSON.parse gives exactly the values of Json.
    return JSON.parse(text) as Json;
  } catch {
    // The parser's message repeats part of the text, which is user data.
    throw damaged("not JSON");
  }
}
