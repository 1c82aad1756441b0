/**
 * Exclusive sections on remote keys: while an update of several steps works on a key, later calls
 * wait. A lane is a scope without a state; it exists only while it is in use.
 */
import { createChecks } from "../../../actors/scope/validation.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import { exclusively, type ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { StateScope } from "../../runtime/scope.ts";

const EMPTY = Object.freeze({});
const settings = scopeSettings({}, { checks: createChecks({}) });

/** The lanes in use, by key. */
export class Lanes {
  readonly #lanes = new Map<string, { readonly scope: StateScope; users: number }>();

  /** True when a section works on the key, so that a call on it must wait. */
  isBusy(key: string): boolean {
    return this.#lanes.has(key);
  }

  /** Runs a section, in the order of the calls. Rejects as a mutation does that waits too long. */
  async take<T>(
    key: string,
    work: (section: ExclusiveSection) => Promise<T>,
    options?: MutationOptions,
  ): Promise<T> {
    const lane = this.#lanes.get(key) ?? { scope: createLane(key), users: 0 };
    this.#lanes.set(key, lane);
    lane.users += 1;
    try {
      return await exclusively([lane.scope], options, work);
    } finally {
      lane.users -= 1;
      if (lane.users === 0) this.#lanes.delete(key);
    }
  }
}

function createLane(key: string): StateScope {
  const identity = Object.freeze({ type: "vcr", id: key });
  const parts = { identity, settings, bridge: null, version: 0 };
  return new StateScope({ ...parts, state: EMPTY, initial: EMPTY });
}
