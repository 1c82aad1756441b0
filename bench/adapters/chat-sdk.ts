/** A bot of the Chat SDK: of each thread two messages, one soon after the other, must be handled. */
import { setTimeout as sleep } from "node:timers/promises";
import { createMemoryState } from "@chat-adapter/state-memory";
import type { StateAdapter } from "chat";
import type * as Entry from "../../src/chat-sdk.ts";
import { testBot } from "../../test/src/adapters/chat-sdk/bot.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { createHoldfastState }: typeof Entry = await import(urlOf("chat-sdk"));

/** The last messages come so many milliseconds after the first of their thread. */
const SPREAD_MS = 50;

/** The state with calls that take a millisecond, as on a server. */
function distant(state: StateAdapter): StateAdapter {
  return new Proxy(state, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== "function") return found;
      return async (...args: unknown[]): Promise<unknown> => {
        await sleep(1);
        return Reflect.apply(found, target, args);
      };
    },
  });
}

async function lost(state: StateAdapter): Promise<number> {
  const handled = new Set<string>();
  const { chat, send } = testBot(distant(state), "queue");
  chat.onDirectMessage(async (_thread, { id }, _channel, context) => {
    for (const skipped of context?.skipped ?? []) handled.add(skipped.id);
    handled.add(id);
    await sleep(1);
  });
  await chat.initialize();
  await atOnce(async (at) => {
    const first = send(`quiet:room:${at}`, `${at} first`);
    await sleep((SPREAD_MS * at) / TURNS);
    await send(`quiet:room:${at}`, `${at} second`);
    await first;
  });
  await chat.shutdown();
  return 2 * TURNS - handled.size;
}

/** The SDK's own state for programs without a server is in memory. */
export const chatSdkRow: Row = {
  framework: "Chat SDK",
  adapter: "holdfast/chat-sdk",
  work: "handle a second message of a thread, on a state 1 ms away",
  own: () => lost(createMemoryState()),
  async ours() {
    const runtime = createRuntime();
    const found = await lost(createHoldfastState({ runtime }));
    await runtime.close();
    return found;
  },
};
