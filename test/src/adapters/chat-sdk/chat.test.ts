/** Bots of the Chat SDK on the state adapter: no message is lost, and none is handled twice. */
import type { ConcurrencyStrategy, StateAdapter } from "chat";
import { expect, it, onTestFinished } from "vitest";
import { createHoldfastState } from "../../../../src/chat-sdk.ts";
import { settled } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";
import { testBot, type TestBot } from "./bot.ts";

const THREAD = "quiet:room:1";

/** A bot that keeps the ids of the messages that its handler received. */
async function countingBot(
  state: StateAdapter,
  handled: string[],
  strategy: ConcurrencyStrategy = "queue",
): Promise<TestBot> {
  const bot = testBot(state, strategy);
  let running = 0;
  bot.chat.onDirectMessage(async (_thread, { id }, _channel, context) => {
    running += 1;
    expect(running).toBe(1);
    handled.push(...(context?.skipped ?? []).map((skipped) => skipped.id), id);
    await settled(2); // Others arrive.
    running -= 1;
  });
  await bot.chat.initialize();
  return bot;
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);

await onEachStore("chat-sdk", (store) => {
  it.each(["queue", "burst"] as const)("handles 100 messages at once, by %s", async (strategy) => {
    const runtime = store.open(store.fresh());
    onTestFinished(() => runtime.close());
    const handled: string[] = [];
    const { send } = await countingBot(createHoldfastState({ runtime }), handled, strategy);
    await Promise.all(ids(100).map((id) => send(THREAD, id)));
    expect(handled.toSorted()).toEqual(ids(100).toSorted());
  });

  it("handles a message that arrives between the last dequeue and the release", async () => {
    const runtime = store.open(store.fresh());
    onTestFinished(() => runtime.close());
    const state = createHoldfastState({ runtime });
    const handled: string[] = [];
    const late: Promise<unknown>[] = [];
    const dequeue = state.dequeue.bind(state);
    state.dequeue = async (threadId) => {
      const entry = await dequeue(threadId);
      if (entry === null && late.length < 3) late.push(send(THREAD, `late${late.length}`));
      await settled();
      return entry;
    };
    const { send } = await countingBot(state, handled);
    await send(THREAD, "first");
    for (const each of late) await each;
    expect(handled.toSorted()).toEqual(["first", "late0", "late1", "late2"]);
  });

  it("knows threads, their state and their queue after a restart", async () => {
    const place = store.fresh();
    const first = store.open(place);
    const handled: string[] = [];
    const before = await countingBot(createHoldfastState({ runtime: first }), handled);
    await before.chat.thread(THREAD).subscribe();
    await before.chat.thread(THREAD).setState({ topic: "tea" });
    await before.send(THREAD, "m0");
    await before.chat.shutdown();
    if (!store.isDurable) return first.close();
    await first.close();
    const second = store.open(place);
    onTestFinished(() => second.close());
    const state = createHoldfastState({ runtime: second });
    const after = await countingBot(state, handled);
    expect(await state.isSubscribed(THREAD)).toBe(true);
    expect(await after.chat.thread(THREAD).state).toEqual({ topic: "tea" });
    await after.send(THREAD, "m0"); // A platform that did not see the first response.
    await after.send(THREAD, "m1");
    expect(handled).toEqual(["m0", "m1"]);
  });

  it.runIf(store.isShared)("handles each message once over two runtimes", async () => {
    const place = store.fresh();
    const runtimes = [store.open(place), store.open(place)];
    onTestFinished(async () => {
      await Promise.all(runtimes.map((runtime) => runtime.close()));
    });
    const handled: string[] = [];
    const bots = await Promise.all(
      runtimes.map((runtime) => countingBot(createHoldfastState({ runtime }), handled)),
    );
    await Promise.all(ids(40).flatMap((id) => bots.map(({ send }) => send(THREAD, id))));
    expect(handled.toSorted()).toEqual(ids(40).toSorted());
  });
});
