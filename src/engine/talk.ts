/**
 * The language of the engine: pure functions of a text and of the known slots.
 */
import type { Slots } from "./field.ts";

/** The meaning of a message. */
export interface Reading {
  readonly intent: "greeting" | "thanks" | "request";
  readonly slots: Slots;
}

/** What to do next. */
export interface Decision {
  readonly kind: "smalltalk" | "ask" | "done";
  /** The slot to ask for. */
  readonly slot?: string;
}

/** The slots of a booking, in the order of the questions. */
const NEEDS: readonly { slot: string; question: string; named: RegExp }[] = [
  { slot: "city", question: "Which city?", named: /city|area|location|destination|where/i },
  { slot: "date", question: "On which day?", named: /date|day/i },
  { slot: "time", question: "At what time?", named: /time|hour/i },
  { slot: "people", question: "For how many?", named: /people|party|number|seats|group/i },
];

const WEEKDAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday";

/** The pattern of each slot in a text; the first group is its value. */
const PATTERNS: readonly (readonly [slot: string, pattern: RegExp])[] = [
  ["city", /\b(?:in|to|near) ([A-Z][a-z]+(?: [A-Z][a-z]+)?)/],
  ["date", new RegExp(`\\b(today|tomorrow|${WEEKDAYS}|the \\d{1,2}(?:st|nd|rd|th))\\b`, "i")],
  ["time", /\bat (\d{1,2}(?::\d{2})?(?: ?[ap]m)?)\b/i],
  ["people", /\b(?:for|of) (\d{1,2}|one|two|three|four|five|six|seven|eight)\b/i],
];

/** Reads a text; slots that came with it take precedence over those in it. */
export function understand(text: string, given: Slots | undefined): Reading {
  const slots = given ?? findSlots(text);
  if (Object.keys(slots).length > 0) return { intent: "request", slots };
  if (/\b(?:thanks|thank you|bye|goodbye)\b/i.test(text)) return { intent: "thanks", slots };
  if (/^\s*(?:hi|hello|hey|good (?:morning|evening))\b/i.test(text))
    return { intent: "greeting", slots };
  return { intent: "request", slots };
}

function findSlots(text: string): Slots {
  const found = PATTERNS.flatMap(([slot, pattern]) => {
    const value = pattern.exec(text)?.[1];
    return value === undefined ? [] : [[slot, value.toLowerCase()]];
  });
  return Object.fromEntries(found);
}

/** Decides by the names of the slots that the session has. */
export function decide(intent: Reading["intent"], known: readonly string[]): Decision {
  if (intent !== "request") return { kind: "smalltalk" };
  const missing = NEEDS.find(({ named }) => !known.some((name) => named.test(name)));
  return missing === undefined ? { kind: "done" } : { kind: "ask", slot: missing.slot };
}

/** The text of a decision. */
export function phrase(
  { kind, slot }: Decision,
  intent: Reading["intent"],
  known: readonly string[],
): string {
  if (kind === "done") return `That is all I need: ${known.length} details noted.`;
  if (kind === "ask") return NEEDS.find((need) => need.slot === slot)?.question ?? "Tell me more.";
  return intent === "thanks" ? "You are welcome." : "Hello! What can I do for you?";
}
