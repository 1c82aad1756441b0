/** Sends the bot 200 updates, 100 before a restart and 100 after it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBot } from "./bot.ts";
import { openChats } from "./chats.ts";
import { botInfo, takeReplies, textUpdate } from "./fake-telegram.ts";

const CHATS = [101, 102, 103, 104];
const TOPICS = ["tea", "milk", "honey", "lemon", "sugar"];

const dir = await mkdtemp(join(tmpdir(), "grammy-bot-"));

/** One life of the process: 25 messages of each chat, all at once. */
async function live(last: string): Promise<void> {
  const chats = openChats(join(dir, "bot.db"));
  const bot = createBot("1:fake", chats, { botInfo });
  const replies = takeReplies(bot);

  const messages = Array.from({ length: 96 }, (_, n) => {
    const [chat = 0, topic = ""] = [CHATS[n % CHATS.length], TOPICS[n % TOPICS.length]];
    return textUpdate(chat, topic);
  });
  await Promise.all(messages.map((update) => bot.handleUpdate(update)));
  await Promise.all(CHATS.map((chat) => bot.handleUpdate(textUpdate(chat, last))));

  for (const chat of CHATS) {
    const texts = replies.get(String(chat)) ?? [];
    const numbers = new Set(texts.map((text) => text.replace(/:.*/, "")));
    console.log(chat, numbers.size, "different replies, the last:", texts.at(-1));
  }
  await chats.close();
}

await live("cake");
console.log("restart");
await live("/topics");
await rm(dir, { recursive: true });
