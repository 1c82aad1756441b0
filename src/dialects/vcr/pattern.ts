/** Redis' own patterns: `*`, `?`, `[abc]`, `[^a-c]` and a backslash; over bytes, as in Redis. */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const NOT = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/** True when the whole name matches. The work is at most the product of the lengths. */
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

/** Where the pattern continues when its next sign matches the byte; −1 when it does not match. */
function step(glob: Buffer, mark: number, byte: number): number {
  const sign = glob[mark];
  if (sign === undefined) return -1;
  if (sign === QUESTION) return mark + 1;
  if (sign === OPEN) return stepClass(glob, mark + 1, byte);
  if (sign === BACKSLASH && mark + 1 < glob.length) return glob[mark + 1] === byte ? mark + 2 : -1;
  return sign === byte ? mark + 1 : -1;
}

/** One class; an unclosed one ends with the pattern. */
function stepClass(glob: Buffer, start: number, byte: number): number {
  const isNot = glob[start] === NOT;
  let mark = isNot ? start + 1 : start;
  let fits = false;
  while (mark < glob.length && glob[mark] !== CLOSE) {
    const member = memberAt(glob, mark);
    fits ||= byte >= member.from && byte <= member.to;
    mark = member.next;
  }
  return fits === isNot ? -1 : Math.min(mark + 1, glob.length);
}

/** One member of a class: a byte, an escaped byte, or a range in either direction. */
function memberAt(glob: Buffer, mark: number): { from: number; to: number; next: number } {
  const isEscaped = glob[mark] === BACKSLASH && mark + 1 < glob.length;
  const sign = glob[isEscaped ? mark + 1 : mark] ?? 0;
  if (isEscaped) return { from: sign, to: sign, next: mark + 2 };
  if (glob[mark + 1] !== DASH || mark + 2 >= glob.length)
    return { from: sign, to: sign, next: mark + 1 };
  const other = glob[mark + 2] ?? 0;
  return { from: Math.min(sign, other), to: Math.max(sign, other), next: mark + 3 };
}
