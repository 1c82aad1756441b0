/** Bots of grammY: each update adds one to a counter of its chat, around a pause. */
import { setTimeout as sleep } from "node:timers/promises";
import * as grammy from "grammy";
import type { Update, UserFromGetMe } from "grammy/types";
import type * as Entry from "../../src/grammy.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { session }: typeof Entry = await import(urlOf("grammy"));

type Visitor = grammy.Context & grammy.SessionFlavor<{ visits: number }>;

const initial = (): { visits: number } => ({ visits: 0 });
// The bot asks for nothing else of itself.
const botInfo = { id: 1, is_bot: true, first_name: "Bot", username: "bot" } as UserFromGetMe;

function update(at: number): Update {
  const chat = { id: 42, type: "private", first_name: "Ann" } as const;
  const message = { message_id: at, date: 1, text: "hi", chat, from: { ...chat, is_bot: false } };
  return { update_id: at, message };
}

async function lost(sessions: grammy.MiddlewareFn<Visitor>): Promise<number> {
  const bot = new grammy.Bot<Visitor>("1:token", { botInfo });
  let visits = 0;
  bot.use(sessions);
  bot.use(async (ctx) => {
    const before = ctx.session.visits;
    await sleep(1);
    visits = before + 1;
    ctx.session.visits = visits;
  });
  await atOnce((at) => bot.handleUpdate(update(at)));
  return TURNS - visits;
}

/** The default storage of grammY is a map. */
export const grammyRow: Row = {
  framework: "grammY",
  adapter: "holdfast/grammy",
  work: "add 1 to the session of a chat",
  own: () => lost(grammy.session({ initial })),
  async ours() {
    const runtime = createRuntime();
    const found = await lost(session({ runtime, initial }));
    await runtime.close();
    return found;
  },
};
