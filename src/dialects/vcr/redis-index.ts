/** Search over the maps of a Redis server, for every location of the index. */
import type { SearchResult } from "./search/result.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import type { Target } from "./space.ts";

/** The indexes on a server, by space. */
export interface RedisIndexes {
  create(prefix: string, name: string, definition: IndexDefinition): Promise<void>;
  drop(prefix: string, name: string, withDocuments: boolean): Promise<void>;
  search(
    prefix: string,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult>;
  /** A key was written through this client. */
  wrote(target: Target): void;
}
