/** Bots of grammY: sessions of `holdfast/grammy`, and those of the library on its storage. */
import { setTimeout as sleep } from "node:timers/promises";
import { session as ownSession, type Context, type SessionFlavor } from "grammy";
import { describe, expect, it, onTestFinished } from "vitest";
import { session, storageAdapter } from "../../../../src/grammy.ts";
import { createRuntime, defineKind, memoryStore, type Runtime } from "../../../../src/index.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { gate, rejection, turned } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";
import { inlineQuery, message, testBot } from "./bot.ts";

interface Visits {
  count: number;
  texts: string[];
}
type Visitor = Context & SessionFlavor<Visits>;

const initial = (): Visits => ({ count: 0, texts: [] });

/** A bot that reads, waits and writes, so that two updates at once would lose one. */
function visitsBot(runtime: Runtime): ReturnType<typeof testBot<Visitor>> {
  const made = testBot<Visitor>();
  made.bot.use(session({ runtime, initial }));
  made.bot.on("message:text", async (ctx) => {
    const { count } = ctx.session;
    await sleep(1);
    ctx.session.count = count + 1;
    ctx.session.texts.push(ctx.message.text);
    if (ctx.message.text === "fail") throw new Error("the handler failed");
    await ctx.reply(`visit ${ctx.session.count}`);
  });
  return made;
}

/** The stored session of a chat. */
async function storedOf(runtime: Runtime, chat: number): Promise<unknown> {
  const [found] = await runtime.read<{ value: Visits }>("grammy-session", [`${chat}`]);
  return found?.state.value;
}

function memoryRuntime(options: Parameters<typeof createRuntime>[0] = {}): Runtime {
  const runtime = createRuntime(options);
  onTestFinished(() => runtime.close());
  return runtime;
}

await onEachStore("grammy", (store) => {
  it("keeps every one of 200 updates that arrive at once, and goes on after a restart", async () => {
    const place = store.fresh();
    const first = store.open(place);
    const { bot, sent } = visitsBot(first);
    const chats = [1, 2, 3, 4];
    const updates = Array.from({ length: 200 }, (_, at) => message(chats[at % 4] ?? 0, `${at}`));
    await Promise.all(updates.map((update) => bot.handleUpdate(update)));
    for (const chat of chats) {
      expect(await storedOf(first, chat)).toMatchObject({ count: 50 });
      const replies = sent.filter((line) => line.startsWith(`${chat}:`));
      expect(replies).toEqual(replies.map((_, at) => `${chat}: visit ${at + 1}`));
    }
    await first.close();
    if (!store.isDurable) return;
    const second = store.open(place);
    onTestFinished(() => second.close());
    const again = visitsBot(second);
    await again.bot.handleUpdate(message(1));
    expect(again.sent).toEqual(["1: visit 51"]);
  });

  it.runIf(store.isShared)("handles a chat one update at a time over two runtimes", async () => {
    const place = store.fresh();
    const runtimes = [store.open(place), store.open(place)];
    onTestFinished(async () => {
      await Promise.all(runtimes.map((each) => each.close()));
    });
    const bots = runtimes.map((each) => visitsBot(each).bot);
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
    const { bot } = visitsBot(runtime);
    await bot.handleUpdate(message(1, "tea"));
    await rejection(bot.handleUpdate(message(1, "fail")));
    await bot.handleUpdate(message(1, "milk"));
    expect(await storedOf(runtime, 1)).toEqual({ count: 2, texts: ["tea", "milk"] });
  });
});

describe("a session", () => {
  it("starts with a value of its own for each chat", async () => {
    const runtime = memoryRuntime();
    const shared = initial();
    const { bot } = testBot<Visitor>();
    bot.use(session({ runtime, initial: () => shared }));
    bot.use((ctx) => void ctx.session.texts.push(`chat ${ctx.chatId}`));
    await bot.handleUpdate(message(1));
    await bot.handleUpdate(message(2));
    expect(await storedOf(runtime, 2)).toEqual({ count: 0, texts: ["chat 2"] });
    expect(shared).toEqual(initial());
  });

  it("may be any value, and is removed by null", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Context & SessionFlavor<unknown>>();
    const seen: unknown[] = [];
    bot.use(session<unknown, Context>({ runtime }));
    const values = [new Map([["tea", new Date(0)]]), 0, "", false, [1], null, {}];
    bot.use((ctx) => {
      seen.push(ctx.session);
      ctx.session = values[seen.length - 1];
    });
    for (const _ of [...values, 0]) await bot.handleUpdate(message(1));
    expect(seen).toEqual([undefined, ...values.slice(0, -2), undefined, {}]);
  });

  it("is not stored again when nothing changed", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Visitor>();
    bot.use(session({ runtime, initial }));
    bot.use((ctx) => {
      ctx.session.texts = [...ctx.session.texts];
    });
    for (const _ of [1, 2, 3]) await bot.handleUpdate(message(1));
    expect((await runtime.open("grammy-session", "1")).version).toBe(1);
  });

  it("is what is stored, and cannot be set, when its turn is over", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Visitor>();
    const late = gate<Visitor>();
    bot.use(session({ runtime, initial }));
    bot.use((ctx) => {
      ctx.session.count += 1;
      late.open(ctx);
    });
    await bot.handleUpdate(message(1));
    const ctx = await late.promise;
    expect(ctx.session).toEqual({ count: 1, texts: [] });
    expect(() => {
      ctx.session.count += 1;
    }).toThrow(TypeError);
    expect(() => {
      ctx.session = initial();
    }).toThrow(expect.objectContaining({ code: "STATE_SEALED" }));
  });

  it("is refused to an update without a key, which is handled all the same", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Visitor>();
    bot.use(session({ runtime, initial }));
    const handled: string[] = [];
    bot.use((ctx) => {
      handled.push(Object.keys(ctx.update).at(-1) ?? "");
      if (handled.length === 2) ctx.session.count += 1;
    });
    await bot.handleUpdate(inlineQuery());
    const error = await rejection(bot.handleUpdate(inlineQuery()));
    expect(handled).toEqual(["inline_query", "inline_query"]);
    expect(error.message).toContain("no session key");
  });

  it("has the key and the prefix that the options give", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Visitor>();
    const getSessionKey = async (ctx: Omit<Visitor, "session">): Promise<string> =>
      `user ${ctx.from?.id}`;
    bot.use(session({ runtime, initial, getSessionKey, prefix: "shop/" }));
    bot.use((ctx) => void (ctx.session.count += 1));
    await bot.handleUpdate(inlineQuery());
    const { ids } = await runtime.list({ type: "grammy-session" });
    expect(ids).toEqual(["shop/user 1"]);
  });

  it("may be of a kind that the runtime declares", async () => {
    const kind = defineKind<{ value?: Visits }>({ initial: {}, history: 5 });
    const runtime = createRuntime({ kinds: { visits: kind } });
    onTestFinished(() => runtime.close());
    const { bot } = testBot<Visitor>();
    bot.use(session({ runtime, initial, type: "visits" }));
    bot.use((ctx) => void (ctx.session.count += 1));
    for (const _ of [1, 2]) await bot.handleUpdate(message(1));
    const scope = await runtime.open("visits", "1");
    expect((await scope.at(1)).state).toEqual({ value: { count: 1, texts: [] } });
  });

  it("waits for earlier updates no longer than timeoutMs", async () => {
    const clock = simulatedClock();
    const runtime = memoryRuntime({ clock });
    const { bot } = testBot<Visitor>();
    const begun = gate();
    const end = gate();
    bot.use(session({ runtime, initial, timeoutMs: 5 }));
    bot.use(async (ctx) => {
      ctx.session.count += 1;
      begun.open();
      await end.promise;
    });
    const first = bot.handleUpdate(message(1));
    await begun.promise;
    const error = await rejection(turned(clock, bot.handleUpdate(message(1)), 5));
    expect(error["error"]).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT", phase: "queued" });
    end.open();
    await first;
    expect(await storedOf(runtime, 1)).toMatchObject({ count: 1 });
  });

  it("leaves the runtime open, and needs one", async () => {
    expect(() => session({} as never)).toThrow("session needs { runtime }");
    expect(() => storageAdapter({ runtime: memoryStore() as never })).toThrow(
      "storageAdapter needs { runtime }",
    );
  });
});

describe("the storage", () => {
  it("keeps sessions of the library itself", async () => {
    const runtime = memoryRuntime();
    const { bot } = testBot<Visitor>();
    bot.use(ownSession({ initial, storage: storageAdapter<Visits>({ runtime }) }));
    bot.use((ctx) => void ctx.session.texts.push("tea"));
    for (const _ of [1, 2]) await bot.handleUpdate(message(1));
    expect(await storageAdapter({ runtime }).read("1")).toEqual({
      count: 0,
      texts: ["tea", "tea"],
    });
  });

  it("has every method of a storage", async () => {
    const runtime = memoryRuntime();
    const storage = storageAdapter<{ n: number }>({ runtime, prefix: "bot/" });
    const other = storageAdapter<{ n: number }>({ runtime, prefix: "other/" });
    await other.write("a", { n: 9 });
    for (const [at, key] of ["a", "b", "%"].entries()) await storage.write(key, { n: at });
    const collect = async <T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
      const found: T[] = [];
      for await (const item of items) found.push(item);
      return found;
    };
    expect((await collect(storage.readAllKeys())).toSorted()).toEqual(["%", "a", "b"]);
    expect(await collect(storage.readAllValues())).toHaveLength(3);
    expect(new Map(await collect(storage.readAllEntries())).get("b")).toEqual({ n: 1 });
    expect([await storage.has("a"), await storage.has("c")]).toEqual([true, false]);
    await storage.delete("a");
    await storage.delete("a");
    expect([await storage.read("a"), await other.read("a")]).toEqual([undefined, { n: 9 }]);
  });

  it("gives copies that may be edited", async () => {
    const storage = storageAdapter<Visits>({ runtime: memoryRuntime() });
    await storage.write("a", initial());
    const read = await storage.read("a");
    read?.texts.push("mine");
    expect(await storage.read("a")).toEqual(initial());
  });
});
