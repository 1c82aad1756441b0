/** The turns of a bot: `holdfast/turn-state` beside the loop of botas. */
import type * as Entry from "../../src/turn-state.ts";
import { urlOf } from "../subject.ts";
import type { Counted, Kept, Match, Side } from "./side.ts";

const { deriveConversationKey, deriveUserKey, MemoryStorage, runTurn }: typeof Entry = await import(
  urlOf("turn-state")
);

const activity = {
  channelId: "bench",
  recipient: { id: "bot" },
  conversation: { id: "c" },
  from: { id: "u" },
};
const conversationKey = deriveConversationKey(activity);
const userKey = deriveUserKey(activity);

/** Clones as JSON when it is read and when it is written, like the original's. */
class ClonedDocuments {
  readonly #documents = new Map<string, unknown>();

  async read(keys: readonly string[]): Promise<Record<string, unknown>> {
    const known = keys.filter((key) => this.#documents.has(key));
    return Object.fromEntries(known.map((key) => [key, cloned(this.#documents.get(key))]));
  }

  async write(changes: Readonly<Record<string, unknown>>): Promise<void> {
    for (const [key, value] of Object.entries(changes)) this.#documents.set(key, cloned(value));
  }
}

function cloned(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** A turn reads both documents, keeps their JSON, and writes those whose JSON differs at its end. */
async function loopTurn(
  storage: ClonedDocuments,
  handler: (conversation: Record<string, unknown>) => Promise<void>,
): Promise<void> {
  const keys = [conversationKey, userKey];
  const found = await storage.read(keys);
  // The documents of this bench are records.
  const loaded = keys.map((key) => (found[key] ?? {}) as Record<string, unknown>);
  const before = loaded.map((document) => JSON.stringify(document));
  const [conversation = {}] = loaded;
  await handler(conversation);
  const changed = keys.flatMap((key, at) => {
    return JSON.stringify(loaded[at]) === before[at] ? [] : [[key, loaded[at]]];
  });
  if (changed.length > 0) await storage.write(Object.fromEntries(changed));
}

const original: Side = {
  name: "load, modify, save",
  async open(document): Promise<Kept> {
    const storage = new ClonedDocuments();
    await storage.write({ [conversationKey]: document });
    return {
      turn: (pause) =>
        loopTurn(storage, async (conversation) => {
          const n = Number(conversation["n"]);
          await pause();
          conversation["n"] = n + 1;
        }),
      count: async () => countOf((await storage.read([conversationKey]))[conversationKey]),
    };
  },
};

const ours: Side = {
  name: "holdfast/turn-state",
  async open(document): Promise<Kept> {
    const storage = new MemoryStorage();
    await storage.write({ [conversationKey]: document });
    return {
      turn: (pause) =>
        runTurn(storage, activity, async ({ conversation }) => {
          const n = Number(conversation.get("n"));
          await pause();
          conversation.set("n", n + 1);
        }),
      count: async () => countOf((await storage.read([conversationKey]))[conversationKey]),
    };
  },
};

function countOf(document: unknown): number {
  // Both sides stored a document of this bench.
  return (document as Counted).n;
}

/** botas is not on npm, so its turn is written down here. */
export const turnState: Match = {
  dialect: "turn-state",
  original,
  ours: [ours],
  note: "botas is not on npm: its turn, a JSON-cloning storage and a comparison, is written anew.",
};
