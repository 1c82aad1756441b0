/** Bots of Telegraf: each update adds one to a counter of its session, around a pause. */
import { setTimeout as sleep } from "node:timers/promises";
import * as telegraf from "telegraf";
import type { Update, UserFromGetMe } from "telegraf/types";
import type * as Entry from "../../src/telegraf.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { session }: typeof Entry = await import(urlOf("telegraf"));

type Visitor = Entry.SessionContext<{ visits: number }>;

const defaultSession = (): { visits: number } => ({ visits: 0 });

function update(at: number): Update {
  const chat = { id: 42, type: "private", first_name: "Ann" } as const;
  const message = { message_id: at, date: 1, text: "hi", chat, from: { ...chat, is_bot: false } };
  return { update_id: at, message };
}

async function lost(sessions: telegraf.MiddlewareFn<Visitor>): Promise<number> {
  const bot = new telegraf.Telegraf<Visitor>("1:token");
  // The bot asks for nothing else of itself.
  bot.botInfo = { id: 1, is_bot: true, first_name: "Bot", username: "bot" } as UserFromGetMe;
  let visits = 0;
  bot.use(sessions);
  bot.use(async (ctx) => {
    const before = ctx.session?.visits ?? 0;
    await sleep(1);
    visits = before + 1;
    ctx.session = { visits };
  });
  await atOnce((at) => bot.handleUpdate(update(at)));
  return TURNS - visits;
}

/** The default store of Telegraf is a map. */
export const telegrafRow: Row = {
  framework: "Telegraf",
  adapter: "holdfast/telegraf",
  work: "add 1 to the session of a sender",
  own: () => lost(telegraf.session<{ visits: number }, Visitor>({ defaultSession })),
  async ours() {
    const runtime = createRuntime();
    const found = await lost(session({ runtime, defaultSession }));
    await runtime.close();
    return found;
  },
};
