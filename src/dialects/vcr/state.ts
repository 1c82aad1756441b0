/** The class of the original: keys with texts, maps and lists under them, in one scope. */
import { toRaw, type RawItem, type SearchResult } from "./search/result.ts";
import { checkName } from "./encode.ts";
import { Failure } from "./error.ts";
import {
  indexDefinition,
  searchOptions,
  type CreateIndexOptions,
  type StateSearchOptions,
} from "./index-option.ts";
import { ListState } from "./state-list.ts";

/**
 * The result of a search; `raw` is the same as a flat list, as the server of the original sends it.
 */
export interface StateSearchResult extends SearchResult {
  readonly raw: readonly RawItem[];
}

/**
 * State in one scope: a session, the instance or the account, and in it an optional namespace.
 * Calls on one key take effect in the order in which they were made, awaited or not. Every failure
 * is a `VcrStateError`. Numbers in results are texts, since Redis counts with 64 bits.
 */
export class State extends ListState {
  /** Indexes the maps of this state, existing ones too. Rejects with `INDEX_EXISTS`. */
  createIndex(name: string, options: CreateIndexOptions): Promise<"OK"> {
    return this.caller.space({ op: "createIndex", key: name }, async (backend, space) => {
      const definition = await indexDefinition(options);
      await backend.createIndex(space, checkName(name, "an index"), definition);
      return "OK" as const;
    });
  }

  /** Finds maps; sees every write called before it. Rejects with `NO_SUCH_INDEX` and `SYNTAX`. */
  search(
    index: string,
    query: string,
    options: StateSearchOptions = {},
  ): Promise<StateSearchResult> {
    return this.caller.space({ op: "search", key: index }, async (backend, space) => {
      if (typeof query !== "string") throw new Failure("SYNTAX", "a query must be a string");
      searchOptions(options); // Rejected before any read.
      const request = { text: query, options };
      const result = await backend.search(space, checkName(index, "an index"), request);
      return { ...result, raw: toRaw(result) };
    });
  }

  /** Removes an index, and on request the maps in it. Rejects with `NO_SUCH_INDEX`. */
  dropIndex(name: string, deleteDocs = false): Promise<boolean> {
    return this.caller.space({ op: "dropIndex", key: name }, async (backend, space) => {
      await backend.dropIndex(space, checkName(name, "an index"), deleteDocs);
      return true;
    });
  }
}
