/**
 * The versions of a record that a bridge has seen or that were reported, to recognise damage.
 *
 * Versions of an existing record never decrease, and a deleted one leaves a tombstone for some time
 * (T3 of the store contract). So a record that is missing, or older than one that was seen, is
 * damaged: by an evicted or flushed server, a restored backup, an empty replica. It is not damaged
 *  - when a tombstone was seen last;
 *  - when the last record was seen `tombstoneMs` ago, or has expired: a report of a delete may have
 *    been missed, and its tombstone may be over;
 *  - when a newer version was reported and there is no record, or only a version reported after it:
 *    then the record was erased.
 */
import type { Clock } from "../../../actors/protocol.ts";

/** The last version seen stored. */
export class LastSeen {
  readonly #clock: Clock;
  /** 0 = none, or a tombstone. */
  #version = 0;
  /** Until when a missing record means damage, in milliseconds since the epoch. */
  #until = Infinity;
  /** The newest version reported, and the last one. */
  #newest = 0;
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 = none, or a version that may be missing by now. */
  get version(): number {
    return this.#clock.now() >= this.#until ? 0 : this.#version;
  }

  /** `version` is stored, and stays for `goodMs` unless it is deleted; 0 = no record. */
  saw(version: number, goodMs: number): void {
    this.#version = version;
    this.#until = this.#clock.now() + goodMs;
  }

  /** Accepts any version at the next read. */
  forget(): void {
    this.#version = 0;
  }

  /**
   * Another owner is reported to have committed `version`. False when that is not new: older than
   * the version seen, and not made after an erasure.
   */
  reported(version: number): boolean {
    if (version === Infinity) return true; // The version is unknown.
    this.#newest = Math.max(this.#newest, version);
    this.#last = version;
    return this.#version === 0 || this.#newest > this.#version;
  }

  /** True when the record found has a damaged `version`; 0 = no record. */
  isDamage(version: number): boolean {
    const seen = this.version;
    if (version >= seen) return false;
    const isErased = this.#newest > seen && (version === 0 || this.#last < seen);
    if (isErased) [this.#newest, this.#last, this.#version] = [0, 0, 0];
    return !isErased;
  }
}
