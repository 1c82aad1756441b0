/** Redis' own patterns: `*`, `?`, `[abc]`, `[^a-c]` and a backslash; over bytes, as there. */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const NOT = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/** True when the whole name fits. Work is at most the product of the lengths. */
export function matchesPattern(name: string, pattern: string): boolean {
  const text = Buffer.from(name);
  const glob = Buffer.from(pattern);
  let at = 0;
  let mark = 0;
  let starMark = -1;
  let starAt = 0;
  while (at < text.length) {
    const next = glob[mark] === STAR ? -1 : step(glob, mark, text[at] ?? 0);
    if (next >= 0) {
      at += 1;
      mark = next;
    } else if (glob[mark] === STAR) {
      starMark = mark;
      starAt = at;
      mark += 1;
    } else if (starMark >= 0) {
      starAt += 1;
      at = starAt;
      mark = starMark + 1;
    } else return false;
  }
  while (glob[mark] === STAR) mark += 1;
  return mark >= glob.length;
}

/** Where the pattern goes on when its next sign fits the byte; −1 when it does not. */
function step(glob: Buffer, mark: number, byte: number): number {
  const sign = glob[mark];
  if (sign === undefined) return -1;
  if (sign === QUESTION) return mark + 1;
  if (sign === OPEN) return stepClass(glob, mark + 1, byte);
  if (sign === BACKSLASH && mark + 1 < glob.length) return glob[mark + 1] === byte ? mark + 2 : -1;
  return sign === byte ? mark + 1 : -1;
}

/** One class; one that is not closed ends with the pattern. */
function stepClass(glob: Buffer, start: number, byte: number): number {
  const isNot = glob[start] === NOT;
  let mark = isNot ? start + 1 : start;
  let fits = false;
  while (mark < glob.length && glob[mark] !== CLOSE) {
    const sign = glob[mark] ?? 0;
    if (sign === BACKSLASH && mark + 1 < glob.length) {
      fits ||= glob[mark + 1] === byte;
      mark += 2;
    } else if (glob[mark + 1] === DASH && mark + 2 < glob.length) {
      const other = glob[mark + 2] ?? 0;
      fits ||= byte >= Math.min(sign, other) && byte <= Math.max(sign, other);
      mark += 3;
    } else {
      fits ||= sign === byte;
      mark += 1;
    }
  }
  return fits === isNot ? -1 : Math.min(mark + 1, glob.length);
}
