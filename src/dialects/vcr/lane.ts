/**
 * Turns on a key that lives elsewhere: while somebody works on it for a while, the calls after it
 * wait. A lane is a scope without a state; it exists only while somebody is in it.
 */
import { createChecks } from "../../../actors/scope/validation.ts";
import type { MutationOptions, MutatorTurn } from "../../../actors/protocol.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import type { Hold } from "../../../actors/scope/exclusive.ts";
import { Turn } from "../../../actors/scope/reentrancy.ts";
import { StateScope } from "../../runtime/scope.ts";

const EMPTY = Object.freeze({});
const settings = scopeSettings({}, { initial: EMPTY, checks: createChecks({}) });

/** The turn of one caller. */
export interface LaneTurn {
  /** Rejects when the turn is lost: timeout or abort. */
  readonly lost: Promise<never>;
  /** Runs user code that may not wait for the same key. */
  run<T>(attempt: number, code: (turn: MutatorTurn) => T | Promise<T>): Promise<T>;
}

/** The lanes in use, by key. */
export class Lanes {
  readonly #lanes = new Map<string, { readonly scope: StateScope; users: number }>();

  /** True when somebody works on the key, so that a call on it has to take a turn. */
  isBusy(key: string): boolean {
    return this.#lanes.has(key);
  }

  /** Takes a turn in the order of the calls. Rejects as a mutation does that waits too long. */
  async take<T>(
    key: string,
    work: (turn: LaneTurn) => Promise<T>,
    options?: MutationOptions,
  ): Promise<T> {
    const lane = this.#lanes.get(key) ?? { scope: createLane(key), users: 0 };
    this.#lanes.set(key, lane);
    lane.users += 1;
    try {
      const hold = await lane.scope.hold(options);
      try {
        return await Promise.race([hold.lost, work(turnOf(lane.scope, hold))]);
      } finally {
        hold.release();
      }
    } finally {
      lane.users -= 1;
      if (lane.users === 0) this.#lanes.delete(key);
    }
  }
}

function createLane(key: string): StateScope {
  const identity = Object.freeze({ type: "vcr", id: key });
  return new StateScope({ identity, settings, bridge: null, state: EMPTY, version: 0 });
}

function turnOf(scope: StateScope, hold: Hold): LaneTurn {
  return {
    lost: hold.lost,
    async run(attempt, code) {
      const turn = new Turn(attempt);
      hold.lost.catch((reason: unknown) => turn.lose(reason));
      try {
        return await turn.run(scope, scope.identity, () => code(turn));
      } finally {
        turn.end();
      }
    },
  };
}
