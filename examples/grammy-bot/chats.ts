/** What the bot remembers of each chat. */
import { createRuntime, defineKind } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";

interface Chat {
  messages: number;
  topics: string[];
}

/** A runtime on the file `path`; it continues from what the file has. */
export function openChats(path: string) {
  return createRuntime({
    store: sqliteStore({ path }),
    kinds: { session: defineKind<Chat>({ initial: { messages: 0, topics: [] } }) },
  });
}

export type Chats = ReturnType<typeof openChats>;
