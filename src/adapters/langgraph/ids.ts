/**
 * Ids of records: texts joined by `/`, so that all of a thread or a namespace have one prefix.
 *
 * Any characters may be in a part; those that separate parts, or that a store cannot keep
 * (controls, halves of surrogate pairs), are written as `%` and four hexadecimal digits.
 */

const ESCAPED = /[%/\p{Cc}\p{Cs}]/gu;

/** A part of an id; different for each different text. */
export function escapePart(text: string): string {
  return text.replace(ESCAPED, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The parts of an id. */
export function partsOf(id: string): string[] {
  return id
    .split("/")
    .map((part) =>
      part.replace(/%([0-9a-f]{4})/g, (_, digits: string) =>
        String.fromCharCode(Number.parseInt(digits, 16)),
      ),
    );
}

/** What the ids of everything below `labels` start with. */
export function prefixOf(labels: readonly string[]): string {
  return labels.map((label) => `${escapePart(label)}/`).join("");
}
