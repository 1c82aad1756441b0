/** Telegram without a network: updates that arrive, and a transformer that takes the replies. */
import type { Bot, Context } from "grammy";
import { z } from "zod";

export type Update = Parameters<Bot["handleUpdate"]>[0];

const message = z.object({ chat_id: z.union([z.string(), z.number()]), text: z.string() });

let updates = 0;

/** A private message; a text such as `/topics` is a command. */
export function textUpdate(chatId: number, text: string): Update {
  updates += 1;
  const first_name = `User ${chatId}`;
  return {
    update_id: updates,
    message: {
      message_id: updates,
      date: 0,
      chat: { id: chatId, type: "private", first_name },
      from: { id: chatId, is_bot: false, first_name },
      text,
      entities: text.startsWith("/")
        ? [{ type: "bot_command", offset: 0, length: text.length }]
        : [],
    },
  };
}

/** Keeps the replies of a bot in the order in which it sent them, and sends nothing. */
export function takeReplies(bot: Bot): Map<string, string[]> {
  const replies = new Map<string, string[]>();
  bot.api.config.use(async (_previous, method, payload) => {
    if (method !== "sendMessage") throw new Error(`the bot called ${method}`);
    const { chat_id, text } = message.parse(payload);
    const ofChat = replies.get(String(chat_id)) ?? [];
    replies.set(String(chat_id), [...ofChat, text]);
    return { ok: true, result: JSON.parse("{}") };
  });
  return replies;
}

/** What a bot learns of itself at its start. */
export const botInfo: Context["me"] = {
  id: 1,
  is_bot: true,
  first_name: "Example",
  username: "example_bot",
  can_join_groups: false,
  can_read_all_group_messages: false,
  can_manage_bots: false,
  supports_join_request_queries: false,
  can_connect_to_business: false,
  has_main_web_app: false,
  has_topics_enabled: false,
  allows_users_to_create_topics: false,
  supports_inline_queries: false,
};
