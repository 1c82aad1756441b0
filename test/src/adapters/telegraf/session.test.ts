/** Bots of Telegraf: sessions of `holdfast/telegraf`, and those of the library on its store. */
import { setTimeout as sleep } from "node:timers/promises";
import { session as ownSession, Telegraf, type Context } from "telegraf";
import type { Update } from "telegraf/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import { session, sessionStore, type SessionContext } from "../../../../src/telegraf.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { gate, rejection, turned } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";

interface Visits {
  count: number;
  texts: string[];
}
type Visitor = SessionContext<Visits>;

const defaultSession = (): Visits => ({ count: 0, texts: [] });

/** A bot without a network, whose failed updates reject. */
function testBot<C extends Context>(): Telegraf<C> {
  const bot = new Telegraf<C>("1:token");
  bot.botInfo = {
    id: 1,
    is_bot: true,
    first_name: "Bot",
    username: "holdfast_bot",
    can_join_groups: true,
    can_read_all_group_messages: false,
    supports_inline_queries: false,
  };
  bot.catch((error) => {
    throw error;
  });
  return bot;
}

/** A bot that reads, waits and writes, so that two updates at once would lose one. */
function visitsBot(runtime: Runtime): Telegraf<Visitor> {
  const bot = testBot<Visitor>();
  bot.use(session({ runtime, defaultSession }));
  bot.use(async (ctx) => {
    const visits = ctx.session ?? defaultSession();
    const { count } = visits;
    const text = ctx.text ?? "";
    await sleep(1);
    visits.texts.push(text);
    ctx.session = { ...visits, count: count + 1 };
    if (text === "fail") throw new Error("the handler failed");
  });
  return bot;
}

let updates = 0;

/** A message of a person in the private chat with that id. */
function message(chat: number, text = "hi"): Update {
  updates += 1;
  const from = { id: chat, is_bot: false, first_name: "Ann" };
  const place = { id: chat, type: "private", first_name: "Ann" } as const;
  return {
    update_id: updates,
    message: { message_id: updates, date: 1, text, chat: place, from },
  };
}

/** An update without a chat. */
function inlineQuery(): Update {
  updates += 1;
  const from = { id: 1, is_bot: false, first_name: "Ann" };
  return { update_id: updates, inline_query: { id: "1", from, query: "tea", offset: "" } };
}

/** The stored session of the private chat with that id. */
async function storedOf(runtime: Runtime, chat: number): Promise<unknown> {
  const id = `${chat}:${chat}`;
  const [found] = await runtime.read<{ value: Visits }>("telegraf-session", [id]);
  return found?.state.value;
}

function memoryRuntime(options: Parameters<typeof createRuntime>[0] = {}): Runtime {
  const runtime = createRuntime(options);
  onTestFinished(() => runtime.close());
  return runtime;
}

await onEachStore("telegraf", (store) => {
  const perChat = store.isDurable ? 10 : 50;
  it(`keeps every one of ${4 * perChat} updates at once, and goes on after a restart`, async () => {
    const place = store.fresh();
    const first = store.open(place);
    const bot = visitsBot(first);
    const chats = [1, 2, 3, 4];
    const all = Array.from({ length: 4 * perChat }, (_, at) =>
      message(chats[at % 4] ?? 0, `${at}`),
    );
    await Promise.all(all.map((update) => bot.handleUpdate(update)));
    for (const chat of chats) {
      const texts = all.flatMap((_, at) => (chats[at % 4] === chat ? [`${at}`] : []));
      expect(await storedOf(first, chat)).toEqual({ count: perChat, texts });
    }
    await first.close();
    if (!store.isDurable) return;
    const second = store.open(place);
    onTestFinished(() => second.close());
    await visitsBot(second).handleUpdate(message(1));
    expect(await storedOf(second, 1)).toMatchObject({ count: perChat + 1 });
  });

  it.runIf(store.isShared)("handles a key one update at a time over two runtimes", async () => {
    const place = store.fresh();
    const runtimes = [store.open(place), store.open(place)];
    onTestFinished(async () => {
      await Promise.all(runtimes.map((each) => each.close()));
    });
    const bots = runtimes.map((each) => visitsBot(each));
    await Promise.all(
      Array.from({ length: 10 }).flatMap(() => bots.map((bot) => bot.handleUpdate(message(7)))),
    );
    expect(await Promise.all(runtimes.map((each) => storedOf(each, 7)))).toMatchObject([
      { count: 20 },
      { count: 20 },
    ]);
  });

  it("stores nothing of a turn that fails", async () => {
    const runtime = store.open(store.fresh());
    onTestFinished(() => runtime.close());
    const bot = visitsBot(runtime);
    await bot.handleUpdate(message(1, "tea"));
    await rejection(bot.handleUpdate(message(1, "fail")));
    await bot.handleUpdate(message(1, "milk"));
    expect(await storedOf(runtime, 1)).toEqual({ count: 2, texts: ["tea", "milk"] });
  });
});

describe("a session", () => {
  it("is undefined for an update without a key", async () => {
    const bot = testBot<Visitor>();
    bot.use(session({ runtime: memoryRuntime(), defaultSession }));
    const seen: unknown[] = [];
    bot.use((ctx) => void seen.push(ctx.session));
    await bot.handleUpdate(inlineQuery());
    expect(seen).toEqual([undefined]);
  });

  it("has the key and the property that the options give", async () => {
    const runtime = memoryRuntime();
    const bot = testBot<Context & { cart?: Visits }>();
    const getSessionKey = (ctx: Context): string => `user ${ctx.from?.id}`;
    const inCart = { runtime, getSessionKey, property: "cart", prefix: "shop/" };
    bot.use(session<Visits, Context>({ ...inCart, defaultSession }));
    bot.use((ctx) => void ctx.cart?.texts.push(ctx.text ?? "inline"));
    await bot.handleUpdate(inlineQuery());
    await bot.handleUpdate(message(1));
    expect(await runtime.read("telegraf-session", ["shop/user 1"])).toMatchObject([
      { state: { value: { texts: ["inline", "hi"] } } },
    ]);
  });

  it("is removed by undefined", async () => {
    const runtime = memoryRuntime();
    const bot = testBot<Visitor>();
    bot.use(session({ runtime, defaultSession }));
    bot.use((ctx) => {
      if (ctx.text === "end") ctx.session = undefined;
      else if (ctx.session !== undefined) ctx.session.count += 1;
    });
    await bot.handleUpdate(message(1));
    expect(await storedOf(runtime, 1)).toMatchObject({ count: 1 });
    await bot.handleUpdate(message(1, "end"));
    expect(await storedOf(runtime, 1)).toBeUndefined();
    await bot.handleUpdate(message(1));
    expect(await storedOf(runtime, 1)).toMatchObject({ count: 1 });
  });

  it("is what is stored, and cannot be set, when its turn is over", async () => {
    const bot = testBot<Visitor>();
    const late = gate<Visitor>();
    bot.use(session({ runtime: memoryRuntime(), defaultSession }));
    bot.use((ctx) => late.open(ctx));
    await bot.handleUpdate(message(1));
    const ctx = await late.promise;
    expect(() => ctx.session?.texts.push("late")).toThrow(TypeError);
    expect(() => {
      ctx.session = defaultSession();
    }).toThrow(expect.objectContaining({ code: "STATE_SEALED" }));
  });

  it("waits for earlier updates no longer than timeoutMs", async () => {
    const bot = testBot<Visitor>();
    const begun = gate();
    const end = gate();
    const clock = simulatedClock();
    bot.use(session({ runtime: memoryRuntime({ clock }), defaultSession, timeoutMs: 5 }));
    bot.use(async () => {
      begun.open();
      await end.promise;
    });
    const first = bot.handleUpdate(message(1));
    await begun.promise;
    await rejection(turned(clock, bot.handleUpdate(message(1)), 5), "SCOPE_MUTATION_TIMEOUT");
    end.open();
    await first;
  });
});

describe("the store", () => {
  it("keeps sessions of the library itself, and gives copies", async () => {
    const runtime = memoryRuntime();
    const bot = testBot<Visitor>();
    const store = sessionStore<Visits>({ runtime });
    bot.use(ownSession({ store, defaultSession }));
    bot.use((ctx) => {
      if (ctx.text === "end") ctx.session = undefined;
      else ctx.session?.texts.push(ctx.text ?? "");
    });
    for (const text of ["tea", "milk"]) await bot.handleUpdate(message(1, text));
    const read = await store.get("1:1");
    expect(read).toEqual({ count: 0, texts: ["tea", "milk"] });
    read?.texts.push("mine");
    expect(await store.get("1:1")).toEqual({ count: 0, texts: ["tea", "milk"] });
    await bot.handleUpdate(message(1, "end"));
    expect(await store.get("1:1")).toBeUndefined();
  });
});
