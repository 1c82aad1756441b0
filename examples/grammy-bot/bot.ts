/** The bot: it counts the messages of each chat, and replies with the number of each. */
import { Bot, type BotConfig, type Context } from "grammy";
import type { Chats } from "./chats.ts";

export function createBot(token: string, chats: Chats, config?: BotConfig<Context>): Bot {
  const bot = new Bot(token, config);

  bot.command("topics", async (ctx) => {
    const chat = await chats.open("session", String(ctx.chat.id));
    const { messages, topics } = await chat.read();
    await ctx.reply(`${messages} messages about ${topics.join(", ")}`);
  });

  bot.on("message:text", async (ctx) => {
    const chat = await chats.open("session", String(ctx.chat.id));
    const topic = ctx.message.text;
    const number = await chat.transact((draft) => {
      if (!draft.topics.includes(topic)) draft.topics.push(topic);
      draft.messages += 1;
      return draft.messages;
    });
    await ctx.reply(`message ${number}: ${topic}`);
  });

  return bot;
}
