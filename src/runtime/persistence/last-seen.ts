/**
 * What a bridge has seen and heard of its record's versions, to tell damage from what may be.
 *
 * Versions of a living record never go back, and a deleted one leaves a tombstone for some time (T3
 * of the store contract). So a record that is missing or older than one that was seen is damage: an
 * evicted or flushed server, a restored backup, an empty replica. It is none
 *  - when the last that was seen is a tombstone;
 *  - when the last was seen `tombstoneMs` ago, or its own time is over: a delete may have gone
 *    unheard, and its tombstone may be over;
 *  - when a newer version was reported and nothing is there, or what was reported after it: then
 *    the record was erased.
 */
import type { Clock } from "../../../actors/protocol.ts";

/** The last version seen stored. */
export class LastSeen {
  readonly #clock: Clock;
  /** 0 = none, or a tombstone. */
  #version = 0;
  /** Until when the record cannot be missing by itself, in milliseconds since the epoch. */
  #until = Infinity;
  /** The newest version reported, and the last one. */
  #newest = 0;
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 = none, or one that may be missing by now. */
  get version(): number {
    return this.#clock.now() >= this.#until ? 0 : this.#version;
  }

  /** `version` is stored, and stays for `goodMs` if nothing deletes it; 0 = nothing is. */
  saw(version: number, goodMs: number): void {
    this.#version = version;
    this.#until = this.#clock.now() + goodMs;
  }

  /** Whatever is found next counts. */
  forget(): void {
    this.#version = 0;
  }

  /**
   * Another owner is reported to have committed `version`. False when that is nothing new: older
   * than what was seen, and not made after an erasure.
   */
  reported(version: number): boolean {
    if (version === Infinity) return true; // Which one is not known.
    this.#newest = Math.max(this.#newest, version);
    this.#last = version;
    return this.#version === 0 || this.#newest > this.#version;
  }

  /** True when a record that is found with `version`, 0 = none, is damaged. */
  isDamage(version: number): boolean {
    const seen = this.version;
    if (version >= seen) return false;
    const isErased = this.#newest > seen && (version === 0 || this.#last < seen);
    if (isErased) [this.#newest, this.#last, this.#version] = [0, 0, 0];
    return !isErased;
  }
}
