/** Bots of Microsoft's agents: each turn adds one to a counter of its conversation. */
import { setTimeout as sleep } from "node:timers/promises";
import { Activity } from "@microsoft/agents-activity";
import {
  BaseAdapter,
  ConversationState,
  MemoryStorage,
  type Storage,
  TurnContext,
} from "@microsoft/agents-hosting";
import type * as Entry from "../../src/ms-agents.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { HoldfastStorage }: typeof Entry = await import(urlOf("ms-agents"));

/** An adapter that sends nothing. */
class QuietAdapter extends BaseAdapter {
  sendActivities = (): Promise<never[]> => Promise.resolve([]);
  updateActivity = (): Promise<void> => Promise.resolve();
  deleteActivity = (): Promise<void> => Promise.resolve();
  continueConversation = (): Promise<void> => Promise.resolve();
  uploadAttachment = (): Promise<never> => Promise.reject(new Error("none"));
  getAttachment = (): Promise<never> => Promise.reject(new Error("none"));
  getAttachmentInfo = (): Promise<never> => Promise.reject(new Error("none"));

  turn(activity: Activity, logic: (context: TurnContext) => Promise<void>): Promise<void> {
    const context = new TurnContext(this, activity);
    return this.middleware.run(context, () => logic(context));
  }
}

type Middleware = Parameters<BaseAdapter["use"]>[0];

async function lost(storage: Storage, middleware?: Middleware): Promise<number> {
  const adapter = new QuietAdapter();
  if (middleware !== undefined) adapter.use(middleware);
  const conversation = new ConversationState(storage);
  const visits = conversation.createProperty<number>("visits");
  let last = 0;
  await atOnce((at) =>
    adapter.turn(
      Activity.fromObject({
        id: `${at}`,
        type: "message",
        channelId: "test",
        conversation: { id: "c" },
        from: { id: "ann", name: "Ann" },
        text: "hi",
      }),
      async (context) => {
        const before = await visits.get(context, 0);
        await sleep(1);
        last = before + 1;
        await visits.set(context, last);
        await conversation.saveChanges(context);
      },
    ),
  );
  return TURNS - last;
}

/** The default storage of the samples is in memory. */
export const msAgentsRow: Row = {
  framework: "Microsoft 365 Agents",
  adapter: "holdfast/ms-agents",
  work: "add 1 to the state of a conversation",
  own: () => lost(new MemoryStorage()),
  async ours() {
    const runtime = createRuntime();
    const storage = new HoldfastStorage({ runtime });
    const found = await lost(storage, storage.turns());
    await runtime.close();
    return found;
  },
};
