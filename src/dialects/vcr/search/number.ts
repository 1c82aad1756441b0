/** Reads a decimal number or a signed `inf`; NaN for anything else. */
export function readNumber(text: string): number {
  const trimmed = text.trim().toLowerCase();
  if (/^[+-]?inf(?:inity)?$/.test(trimmed)) {
    return trimmed.startsWith("-") ? -Infinity : Infinity;
  }
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(trimmed) ? Number(trimmed) : Number.NaN;
}
