/**
 * The writes of a checkpoint scope whose outcome is unknown: each of them may have taken effect.
 *
 * Invariants
 *  D1  At most `UNKNOWN_MAX` are kept; an older one that is found counts as another owner's.
 */
import { sameRecord } from "../../../actors/state/extras.ts";

/** Most writes of unknown outcome that are kept. */
const UNKNOWN_MAX = 16;

/** The content of a write; `state: undefined` deletes. */
export interface Attempt {
  readonly version: number;
  readonly state: object | undefined;
}

/** The writes of unknown outcome since the last confirmed one; see the head of this file. */
export class UnknownWrites {
  #writes: Attempt[] = [];

  /** Keeps a write of unknown outcome (D1). */
  add(write: Attempt): void {
    this.#writes.push(write);
    if (this.#writes.length > UNKNOWN_MAX) this.#writes.shift();
  }

  /** Another write is confirmed: none of these can take effect any more. */
  clear(): void {
    this.#writes = [];
  }

  /** True when a record that was found is one of them. */
  has(found: Attempt): boolean {
    return this.#writes.some(
      ({ version, state }) => version === found.version && sameRecord(state, found.state),
    );
  }

  /** The newest version of them below `version`; 0 = none. */
  newestBelow(version: number): number {
    return this.#writes.reduce(
      (newest, each) => (each.version < version ? Math.max(newest, each.version) : newest),
      0,
    );
  }
}
