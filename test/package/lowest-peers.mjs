/**
 * Each adapter with the lowest version of its peer: the main thing that a program does with it.
 * Prints one line of JSON: for each peer "ok", or the error.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { emptyCheckpoint, uuid6 } from "@langchain/langgraph-checkpoint";
import { Agent, Runner, setTracingDisabled, Usage } from "@openai/agents-core";
import { convertToModelMessages } from "ai";
import { Chat, Message } from "chat";
import expressSession from "express-session";
import * as grammy from "grammy";
import { createRuntime } from "holdfast";
import { chatHistory } from "holdfast/ai";
import { createHoldfastState } from "holdfast/chat-sdk";
import { HoldfastSessionStore } from "holdfast/express-session";
import { session as grammySession } from "holdfast/grammy";
import { KeyvHoldfast } from "holdfast/keyv";
import { HoldfastSaver, HoldfastStore } from "holdfast/langgraph";
import { HoldfastSession } from "holdfast/openai-agents";
import { session as telegrafSession } from "holdfast/telegraf";
import { holdfastDriver } from "holdfast/unstorage";
import { Keyv } from "keyv";
import { Telegraf } from "telegraf";
import { createStorage } from "unstorage";

const TURNS = 10;
const atOnce = (call) => Promise.all(Array.from({ length: TURNS }, (_, at) => call(at)));
const person = { id: 42, is_bot: false, first_name: "Ann" };
const place = { id: 42, type: "private", first_name: "Ann" };
const update = (at) => ({
  update_id: at,
  message: { message_id: at, date: 1, text: "hi", chat: place, from: person },
});
const me = { id: 1, is_bot: true, first_name: "Bot", username: "holdfast_bot" };

/** A middleware of both bot libraries that adds one around a pause. */
const addOne = async (ctx) => {
  const { count } = ctx.session;
  await new Promise((resolve) => setTimeout(resolve, 1));
  ctx.session.count = count + 1;
};

const cases = {
  async "@langchain/langgraph-checkpoint"(runtime) {
    const saver = new HoldfastSaver({ runtime });
    const config = { configurable: { thread_id: "t", checkpoint_ns: "" } };
    const checkpoint = { ...emptyCheckpoint(), id: uuid6(0), channel_values: { a: [1] } };
    checkpoint.channel_versions = { a: 1 };
    const meta = { source: "loop", step: 0, parents: {} };
    const put = await saver.put(config, checkpoint, meta, { a: 1 });
    await saver.putWrites(put, [["a", 2]], "task", "~path");
    const tuple = await saver.getTuple(config);
    assert.deepEqual(tuple.checkpoint.channel_values, { a: [1] });
    assert.deepEqual(tuple.pendingWrites, [["task", "a", 2]]);
    await saver.deleteThread("t");
    assert.equal(await saver.getTuple(config), undefined);
    const store = new HoldfastStore({ runtime });
    await store.put(["users"], "ann", { likes: "tea" });
    assert.deepEqual((await store.get(["users"], "ann")).value, { likes: "tea" });
  },
  async "@openai/agents-core"(runtime) {
    setTracingDisabled(true);
    const model = {
      getResponse: async () => ({
        usage: new Usage(),
        output: [
          {
            type: "message",
            role: "assistant",
            status: "completed",
            content: [{ type: "output_text", text: "hello" }],
          },
        ],
      }),
    };
    const agent = new Agent({ name: "clerk", model });
    const runner = new Runner({ modelProvider: { getModel: () => model } });
    const session = new HoldfastSession({ runtime, sessionId: "s" });
    await atOnce((at) => runner.run(agent, `question ${at}`, { session }));
    assert.equal((await session.getItems()).length, 2 * TURNS);
  },
  async ai(runtime) {
    const history = chatHistory(await runtime.open("session", "chat"));
    await atOnce((at) =>
      history.append({ id: `${at}`, role: "user", parts: [{ type: "text", text: "hi" }] }),
    );
    assert.equal((await convertToModelMessages(await history.messages())).length, TURNS);
  },
  async chat(runtime) {
    const handled = [];
    const platform = {
      name: "quiet",
      userName: "bot",
      initialize: async () => undefined,
      channelIdFromThreadId: () => "quiet:room",
      isDM: () => true,
    };
    const state = createHoldfastState({ runtime });
    const bot = new Chat({
      userName: "bot",
      adapters: { quiet: platform },
      state,
      concurrency: { strategy: "queue", maxQueueSize: TURNS },
      logger: "silent",
    });
    bot.onDirectMessage(async (_thread, { id }, _channel, context) => {
      handled.push(...(context?.skipped ?? []).map((each) => each.id), id);
    });
    await bot.initialize();
    const threadId = "quiet:room:1";
    const author = { userId: "a", userName: "a", fullName: "A", isBot: false, isMe: false };
    const metadata = { dateSent: new Date(0), edited: false };
    const formatted = { type: "root", children: [] };
    const fields = { threadId, text: "hi", formatted, raw: {}, author, metadata, attachments: [] };
    await atOnce((at) =>
      bot.processMessage(platform, threadId, new Message({ id: `${at}`, ...fields })),
    );
    assert.equal(new Set(handled).size, TURNS);
  },
  async "express-session"(runtime) {
    const use = expressSession({
      store: new HoldfastSessionStore({ runtime }),
      secret: "secret",
      resave: false,
      saveUninitialized: true,
    });
    const server = createServer((request, response) =>
      use(request, response, () => {
        request.session[request.url.slice(1)] = 1;
        response.end(Object.keys(request.session).join());
      }),
    ).listen(0);
    await once(server, "listening");
    const get = (path, cookie = "") =>
      fetch(`http://127.0.0.1:${server.address().port}/${path}`, { headers: { cookie } });
    const [cookie] = (await get("first")).headers.getSetCookie();
    await atOnce((at) => get(`n${at}`, cookie));
    const kept = (await (await get("last", cookie)).text()).split(",");
    server.close();
    assert.equal(kept.filter((name) => /^n\d$/.test(name)).length, TURNS);
  },
  async grammy(runtime) {
    const bot = new grammy.Bot("1:token", { botInfo: me });
    let count = 0;
    bot.use(grammySession({ runtime, initial: () => ({ count: 0 }) }));
    bot.use(async (ctx) => {
      await addOne(ctx);
      ({ count } = ctx.session);
    });
    await atOnce((at) => bot.handleUpdate(update(at)));
    assert.equal(count, TURNS);
  },
  async keyv(runtime) {
    const keyv = new Keyv({ store: new KeyvHoldfast({ runtime }), namespace: "n" });
    await atOnce((at) => keyv.set(`${at}`, { at }));
    assert.deepEqual(await keyv.get("7"), { at: 7 });
    await keyv.clear();
    assert.equal(await keyv.get("7"), undefined);
  },
  async telegraf(runtime) {
    const bot = new Telegraf("1:token");
    bot.botInfo = me;
    let count = 0;
    bot.use(telegrafSession({ runtime, defaultSession: () => ({ count: 0 }) }));
    bot.use(async (ctx) => {
      await addOne(ctx);
      ({ count } = ctx.session);
    });
    await atOnce((at) => bot.handleUpdate(update(at)));
    assert.equal(count, TURNS);
  },
  async unstorage(runtime) {
    const storage = createStorage({ driver: holdfastDriver({ runtime }) });
    await atOnce((at) => storage.setItem(`a:${at}`, { at }));
    assert.equal((await storage.getKeys("a")).length, TURNS);
    assert.deepEqual(await storage.getItem("a:7"), { at: 7 });
  },
};

const results = {};
for (const [peer, run] of Object.entries(cases)) {
  const runtime = createRuntime();
  results[peer] = await run(runtime).then(
    () => "ok",
    (error) => String(error?.stack ?? error),
  );
  await runtime.close();
}
console.log(JSON.stringify(results));
process.exit(0);
