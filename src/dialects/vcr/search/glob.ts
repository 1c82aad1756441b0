/**
 * True when a term matches a glob: `?` is one character, `*` any number, a backslash takes the next
 * character literally. Backtracks only to the latest `*`, so the work is at most the product of the
 * lengths.
 */
export function matchesGlob(term: string, glob: string): boolean {
  let at = 0;
  let mark = 0;
  let starMark = -1;
  let starAt = 0;
  while (at < term.length) {
    const length = matchLength(term, at, glob, mark);
    if (length > 0) {
      at += 1;
      mark += length;
    } else if (glob[mark] === "*") {
      starMark = mark;
      starAt = at;
      mark += 1;
    } else if (starMark >= 0) {
      starAt += 1;
      at = starAt;
      mark = starMark + 1;
    } else return false;
  }
  while (glob[mark] === "*") mark += 1;
  return mark === glob.length;
}

/** The length of the glob that one character of the term matches; 0 when it does not match. */
function matchLength(term: string, at: number, glob: string, mark: number): number {
  const sign = glob[mark];
  if (sign === "?") return 1;
  if (sign === "*") return 0;
  if (sign === "\\" && mark + 1 < glob.length) return glob[mark + 1] === term[at] ? 2 : 0;
  return sign === term[at] ? 1 : 0;
}
