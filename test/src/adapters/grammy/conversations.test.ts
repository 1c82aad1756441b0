/** The plugin `@grammyjs/conversations` on the storage, behind a turn for each chat. */
import {
  conversations,
  createConversation,
  type Conversation,
  type ConversationFlavor,
  type VersionedState,
} from "@grammyjs/conversations";
import type { ConversationData } from "@grammyjs/conversations";
import type { Context, SessionFlavor } from "grammy";
import { expect, it, onTestFinished } from "vitest";
import { session, storageAdapter } from "../../../../src/grammy.ts";
import type { Runtime } from "../../../../src/index.ts";
import { onEachStore } from "../adapter-stores.ts";
import { message, testBot } from "./bot.ts";

type Guest = ConversationFlavor<Context & SessionFlavor<{ orders: number }>>;

/** Asks for a drink, then for a size, and says what was ordered. */
async function order(conversation: Conversation<Guest>, ctx: Context): Promise<void> {
  await ctx.reply("which drink?");
  const drink = await conversation.waitFor("message:text");
  await ctx.reply("which size?");
  const size = await conversation.waitFor("message:text");
  await conversation.external((outer) => {
    outer.session.orders += 1;
  });
  await ctx.reply(`a ${size.message.text} ${drink.message.text}`);
}

function shopBot(runtime: Runtime): ReturnType<typeof testBot<Guest>> {
  const made = testBot<Guest>();
  made.bot.use(session({ runtime, initial: () => ({ orders: 0 }) }));
  made.bot.use(
    conversations({ storage: storageAdapter<VersionedState<ConversationData>>({ runtime }) }),
  );
  made.bot.use(createConversation(order));
  made.bot.on("message:text", (ctx) => ctx.conversation.enter("order"));
  return made;
}

await onEachStore("grammy-conversations", (store) => {
  it("goes on with a conversation after a restart", async () => {
    const place = store.fresh();
    let runtime = store.open(place);
    onTestFinished(() => runtime.close());
    const sent: string[] = [];
    for (const text of ["hi", "tea", "large"]) {
      const made = shopBot(runtime);
      await made.bot.handleUpdate(message(5, text));
      sent.push(...made.sent);
      if (!store.isDurable) continue;
      await runtime.close();
      runtime = store.open(place);
    }
    expect(sent).toEqual(["5: which drink?", "5: which size?", "5: a large tea"]);
    session({ runtime }); // Adds the kind.
    const [found] = await runtime.read("grammy-session", ["5"]);
    expect(found?.state).toEqual({ value: { orders: 1 } });
  });

  it("takes every reply of 20 chats that write at once", async () => {
    const runtime = store.open(store.fresh());
    onTestFinished(() => runtime.close());
    const { bot, sent } = shopBot(runtime);
    const chats = Array.from({ length: 20 }, (_, at) => at + 1);
    await Promise.all(
      chats.flatMap((chat) =>
        ["hi", "tea", "large"].map((text) => bot.handleUpdate(message(chat, text))),
      ),
    );
    const last = sent.filter((line) => line.endsWith(": a large tea"));
    expect(last.toSorted()).toEqual(chats.map((chat) => `${chat}: a large tea`).toSorted());
  });
});
