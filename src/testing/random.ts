/** Random numbers that are repeatable by a seed. */

/** Returns numbers in [0, 1), the same sequence for the same seed. */
export type Random = () => number;

const RANGE = 2 ** 32;

/** Makes the sequence of `seed`. Good enough to pick test cases; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence through a mixing function: every 32-bit state is visited once.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / RANGE;
  };
}
