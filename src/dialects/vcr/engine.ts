/**
 * Loads the search engine when an index is first used: with its stemmers it is most of this entry
 * point, and most programs have no index.
 */
import type * as Index from "./search/search-index.ts";

/** The search engine. */
export type Engine = Pick<typeof Index, "createSearchIndex">;

/** Resolves to the search engine. */
export function loadEngine(): Promise<Engine> {
  return import("./search/search-index.ts");
}
