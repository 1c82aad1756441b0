/** A bot of the Chat SDK on a platform without a network. */
import { Chat, Message, type Adapter, type ConcurrencyStrategy, type StateAdapter } from "chat";

/** A platform that sends nothing; `posted` is what the bot posted, as `thread: text`. */
function quietPlatform(posted: string[]): Adapter {
  const post = async (threadId: string, text: unknown): Promise<{ id: string }> => {
    posted.push(`${threadId}: ${String(text)}`);
    return { id: `${posted.length}` };
  };
  const adapter = {
    name: "quiet",
    userName: "bot",
    initialize: async () => undefined,
    channelIdFromThreadId: (threadId: string) => threadId.split(":").slice(0, 2).join(":"),
    encodeThreadId: (id: unknown) => `quiet:${String(id)}`,
    decodeThreadId: (threadId: string) => threadId,
    isDM: () => true,
    postMessage: post,
  };
  return adapter as never; // The bots of these tests use no other method.
}

/** A bot, and how a message reaches it. */
export interface TestBot {
  readonly chat: Chat;
  readonly posted: string[];
  /** Resolves when the SDK has handled the message or put it into the queue. */
  readonly send: (threadId: string, id: string) => Promise<unknown>;
}

/** A bot that has not connected yet. */
export function testBot(state: StateAdapter, strategy: ConcurrencyStrategy): TestBot {
  const posted: string[] = [];
  const platform = quietPlatform(posted);
  const concurrency = { strategy, maxQueueSize: 1_000, debounceMs: 1 };
  const chat = new Chat({
    userName: "bot",
    adapters: { quiet: platform },
    state,
    concurrency,
    logger: "silent",
  });
  const send = async (threadId: string, id: string): Promise<unknown> =>
    chat.processMessage(platform, threadId, message(threadId, id));
  return { chat, posted, send };
}

/** A message of Ann. */
export function message(threadId: string, id: string, raw: unknown = {}): Message {
  return new Message({
    id,
    threadId,
    text: `text ${id}`,
    formatted: { type: "root", children: [] },
    raw,
    author: { userId: "ann", userName: "ann", fullName: "Ann", isBot: false, isMe: false },
    metadata: { dateSent: new Date(0), edited: false },
    attachments: [],
  });
}
