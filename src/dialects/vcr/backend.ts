/** What keeps the keys of states: a runtime in this process, or a Redis server. */
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import type { SearchResult } from "./search/result.ts";
import { isRead, type Command, type Reply } from "./command.ts";
import { Failure } from "./error.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import type { Space, Target } from "./place.ts";

/** Makes the next text of a key of the present one; `undefined` = nothing there. */
export type TextRecipe = (
  text: string | undefined,
  turn: MutationContext,
) => string | undefined | Promise<string | undefined>;

/** Keeps keys. Calls on one key take effect in the order in which they were made. */
export interface Backend {
  /** Milliseconds since the epoch. */
  now(): number;
  run(target: Target, command: Command): Promise<Reply>;
  /** Replaces a text by what `recipe` makes of it; resolves to the new one. */
  update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined>;
  /** The keys of a space, without its prefix. */
  keys(space: Space): Promise<string[]>;
  /**
   * Resolves to when a session ends; 0 = never. A session without an end gets `endsAt`, if that is
   * not 0.
   */
  claimSession(id: string, endsAt: number): Promise<number>;
  createIndex(space: Space, name: string, definition: IndexDefinition): Promise<void>;
  /** Takes an index away, and the maps in it if asked. */
  dropIndex(space: Space, name: string, withDocuments: boolean): Promise<void>;
  search(
    space: Space,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult>;
  close(): Promise<void>;
}

/**
 * Resolves to the end of a space's session, 0 = never; throws `SESSION_ENDED` to who would write
 * when that is over. Reads and writes come the same way, for a shorter one would overtake.
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
