/**
 * A large state is stored as a base and the patches since. Patches are appended while their size is
 * under the base's: a load reads at most twice the state, and a fold costs no more than it saves.
 */

/** A state of this many characters of JSON or more is stored apart and changed by patches. */
export const APART_FROM_CHARS = 8192;
/** A log of this many patches is folded into a new base, so that a load stays bounded. */
export const LOG_COUNT_MAX = 1000;

/** True for the JSON of a state that is stored apart. */
export function isLarge(text: string | null | undefined): text is string {
  return typeof text === "string" && text.length >= APART_FROM_CHARS;
}

/** The most large keys that are remembered; a forgotten key costs one read of its state. */
const LARGE_KEYS_MAX = 10_000;

/** Keys last seen large: a write tries their patches before it reads their state. */
export class LargeKeys extends Set<string> {
  override add(key: string): this {
    if (this.size >= LARGE_KEYS_MAX && !this.has(key)) {
      // A Set iterates in the order of insertion: the oldest is deleted.
      for (const oldest of this) {
        this.delete(oldest);
        break;
      }
    }
    return super.add(key);
  }
}
