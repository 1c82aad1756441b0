/** When a state expires, by the rule of its kind. */
import type { Logger } from "../../actors/protocol.ts";

/** The latest time of a `Date`; a later end counts as never. */
const LATEST_MS = 8.64e15;

/** How long the states of a kind live. */
export interface LifeRule {
  /** Milliseconds after the last change; `undefined`: for ever. */
  readonly ttlMs: number | undefined;
  /** The end of a state in milliseconds since the epoch; replaces `ttlMs`. */
  readonly livesUntil: ((state: object) => number) | undefined;
}

/** When the state of a version expires; the time of a newer version is not yet set. */
export interface Life {
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** The life of a state that never expires. */
export const FOR_EVER: Life = Object.freeze({ version: 0, until: Infinity });

/** A `livesUntil` whose faults are logged: a state for which it gives no number never expires. */
export function guardLife(
  type: string,
  livesUntil: LifeRule["livesUntil"],
  logger: Logger,
): LifeRule["livesUntil"] {
  if (livesUntil === undefined) return undefined;
  return (state) => {
    try {
      const until: unknown = livesUntil(state);
      if (typeof until === "number" && !Number.isNaN(until)) return until;
      throw new TypeError(`livesUntil must return a number, received ${String(until)}`);
    } catch (error) {
      logger.error("livesUntil of a kind threw, so the state does not expire", { type, error });
      return Infinity;
    }
  };
}

/** When a state expires by `livesUntil`: 0 = it is no record, `Infinity` = never. */
export function endOf(livesUntil: (state: object) => number, state: object): number {
  const until = livesUntil(state);
  return until > LATEST_MS ? Infinity : until;
}

/** True when a state has expired by its `livesUntil`. */
export function hasEnded(
  livesUntil: (state: object) => number,
  state: object,
  now: number,
): boolean {
  const end = endOf(livesUntil, state);
  return end > 0 && end <= now;
}

/** Milliseconds until `state` expires; 0 = it is no record, `undefined` = never. */
export function leftToLive(kind: LifeRule, state: object, now: number): number | undefined {
  if (kind.livesUntil === undefined) return kind.ttlMs;
  const until = endOf(kind.livesUntil, state);
  if (until === 0) return 0;
  return until === Infinity ? undefined : Math.max(1, until - now);
}
