import type { Plan } from "./plan.ts";

/** The terms of a query, by which its matches are found again in a document's text. */
export interface MatchSet {
  readonly words: ReadonlySet<string>;
  readonly stems: ReadonlySet<string>;
}

/** Collects the terms of a plan, without those that must not match. */
export function matchSet(plan: Plan): MatchSet {
  const words = new Set<string>();
  const stems = new Set<string>();
  const visit = (part: Plan): void => {
    if (part.kind === "term" && part.form === "word") words.add(part.posting.text);
    else if (part.kind === "term" && part.form === "stem") stems.add(part.posting.text);
    else if (part.kind === "optional") visit(part.part);
    else if (part.kind === "union" || part.kind === "every") part.parts.forEach(visit);
  };
  visit(plan);
  return { words, stems };
}
