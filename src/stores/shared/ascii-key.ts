/**
 * Encodes any key as printable ASCII in the same sort order.
 *
 * Databases store text as UTF-8, which has no lone surrogates, ends at NUL in some of them, and
 * sorts astral characters unlike JavaScript. Units `!` to `}` and the space are kept, so common
 * keys stay readable. A unit below the space becomes U+0001 and a character; a unit above `}`
 * becomes `~` and four hex digits.
 */

const ORDINARY = /^[\x20-\x7d]*$/;
const LOW_MARK = "\u0001";
const HIGH_MARK = "~";
/** Keeps the second character of a low unit above NUL, in the order of the units. */
const LOW_SHIFT = 0x20;

/** Sorts after everything that starts with the same text. */
export const ASCII_AFTER_ALL = "\u007f";

function escapeUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  if (code < 0x20) return LOW_MARK + String.fromCharCode(code + LOW_SHIFT);
  return HIGH_MARK + code.toString(16).padStart(4, "0");
}

/** Encodes a key; a prefix of the key becomes a prefix of the result. */
export function toAsciiKey(key: string): string {
  if (ORDINARY.test(key)) return key;
  // No `u` flag: each UTF-16 unit is one character here, lone surrogates too.
  return key.replaceAll(/[^\x20-\x7d]/g, escapeUnit);
}

/** Undoes `toAsciiKey`. */
export function fromAsciiKey(text: string): string {
  if (ORDINARY.test(text)) return text;
  return text.replaceAll(/\u0001(.)|~([0-9a-f]{4})/g, (_all, low?: string, high?: string) =>
    low === undefined
      ? String.fromCharCode(Number.parseInt(high ?? "", 16))
      : String.fromCharCode(low.charCodeAt(0) - LOW_SHIFT),
  );
}
