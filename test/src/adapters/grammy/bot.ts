/** A bot of grammY that is driven with updates, and the API that it speaks to. */
import { Bot, type Context } from "grammy";
import type { Update, UserFromGetMe } from "grammy/types";

const botInfo: UserFromGetMe = {
  id: 1,
  is_bot: true,
  first_name: "Bot",
  username: "holdfast_bot",
  can_join_groups: true,
  can_read_all_group_messages: false,
  supports_inline_queries: false,
  can_connect_to_business: false,
  has_main_web_app: false,
  has_topics_enabled: false,
  allows_users_to_create_topics: false,
  can_manage_bots: false,
  supports_guest_queries: false,
  supports_join_request_queries: false,
};

/** A bot without a network; `sent` is what it sent, as `chat: text`. */
export function testBot<C extends Context>(): { readonly bot: Bot<C>; readonly sent: string[] } {
  const sent: string[] = [];
  const fetch = async (_url: unknown, request?: { readonly body?: unknown }): Promise<Response> => {
    const { chat_id: chat, text } = JSON.parse(String(request?.body));
    sent.push(`${chat}: ${text}`);
    const result = { message_id: sent.length, date: 1, chat: { id: chat, type: "private" }, text };
    return Response.json({ ok: true, result });
  };
  // The client awaits a fetch of its own kind, and uses nothing of the response but `json()`.
  const client = { fetch: fetch as never };
  const bot = new Bot<C>("1:token", { botInfo, client });
  return { bot, sent };
}

let updates = 0;

/** A message of a person in the private chat with that id. */
export function message(chat: number, text = "hi"): Update {
  updates += 1;
  const from = { id: chat, is_bot: false, first_name: "Ann" };
  return {
    update_id: updates,
    message: {
      message_id: updates,
      date: 1,
      text,
      chat: { id: chat, type: "private", first_name: "Ann" },
      from,
    },
  };
}

/** An update that belongs to no chat. */
export function inlineQuery(): Update {
  updates += 1;
  const from = { id: 1, is_bot: false, first_name: "Ann" };
  return { update_id: updates, inline_query: { id: "1", from, query: "tea", offset: "" } };
}
