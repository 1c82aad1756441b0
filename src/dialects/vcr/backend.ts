/** Stores of keys: a runtime in this process, or a Redis server. */
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import type { SearchResult } from "./search/result.ts";
import { isRead, type Command, type Reply } from "./command.ts";
import { Failure } from "./error.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import type { Space, Target } from "./space.ts";

/** Makes the next text of a key from the present one; `undefined` = there is none. */
export type TextRecipe = (
  text: string | undefined,
  context: MutationContext,
) => string | undefined | Promise<string | undefined>;

/** Stores keys. Calls on one key take effect in the order in which they were made. */
export interface Backend {
  /** Milliseconds since the epoch. */
  now(): number;
  run(target: Target, command: Command): Promise<Reply>;
  /** Replaces a text by the result of `recipe`; resolves to the new one. */
  update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined>;
  /** The keys of a space, without its prefix. */
  keys(space: Space): Promise<string[]>;
  /**
   * Resolves to the end of a session; 0 = never. A session without an end gets `endsAt`, if that is
   * not 0.
   */
  claimSession(id: string, endsAt: number): Promise<number>;
  createIndex(space: Space, name: string, definition: IndexDefinition): Promise<void>;
  /** Removes an index, and on request the maps in it. */
  dropIndex(space: Space, name: string, withDocuments: boolean): Promise<void>;
  search(
    space: Space,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult>;
  close(): Promise<void>;
}

/**
 * Resolves to the end of a space's session, 0 = never; rejects a write with `SESSION_ENDED` after
 * that. Reads and writes take the same path, since a shorter one would overtake.
 */
export async function sessionEnd(
  space: Space,
  command: Command | undefined,
  now: () => number,
): Promise<number> {
  const endsAt = await space.endsAt();
  const writes = command === undefined || !isRead(command);
  if (writes && endsAt !== 0 && endsAt <= now())
    throw new Failure("SESSION_ENDED", "the session has ended; create another one");
  return endsAt;
}
