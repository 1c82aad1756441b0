/** 100 overlapping turns of both packages: with their own states, over this storage. */
import { BaseAdapter, ConversationState, TurnContext, UserState } from "@microsoft/agents-hosting";
import { Activity } from "@microsoft/agents-activity";
import {
  ConversationState as BotConversationState,
  TestAdapter,
  UserState as BotUserState,
} from "botbuilder-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import { HoldfastStorage, type TurnMiddleware, turns } from "../../../../src/ms-agents.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { gate, rejection, settled, turned } from "../../../support/waiting.ts";

const TURNS = 100;

/** A bot that counts its turns in the conversation and for the user, and sends nothing. */
interface Bot {
  /** Handles a message as the package does; `failing` throws after it has counted. */
  readonly turn: (conversation: string, user: string, failing?: boolean) => Promise<void>;
  readonly use: (middleware: TurnMiddleware) => void;
}

type Package = (storage: HoldfastStorage) => Bot;

/** The states of either package, as this test uses them. */
interface States<Context> {
  readonly all: readonly { saveChanges(context: Context): Promise<void> }[];
  readonly counts: readonly {
    get(context: Context, initial: number): Promise<number>;
    set(context: Context, value: number): Promise<void>;
  }[];
}

async function count<Context>(context: Context, states: States<Context>): Promise<void> {
  for (const each of states.counts) {
    const n = await each.get(context, 0);
    await settled(2); // As a call of a model would.
    await each.set(context, n + 1);
  }
  for (const state of states.all) await state.saveChanges(context);
}

class AgentsAdapter extends BaseAdapter {
  sendActivities = (): Promise<never[]> => Promise.resolve([]);
  updateActivity = (): Promise<void> => Promise.resolve();
  deleteActivity = (): Promise<void> => Promise.resolve();
  continueConversation = (): Promise<void> => Promise.resolve();
  uploadAttachment = (): Promise<never> => Promise.reject(new Error("none"));
  getAttachment = (): Promise<never> => Promise.reject(new Error("none"));
  getAttachmentInfo = (): Promise<never> => Promise.reject(new Error("none"));

  /** Runs a turn through the middleware. */
  turn(activity: Activity, logic: (context: TurnContext) => Promise<void>): Promise<void> {
    const context = new TurnContext(this, activity);
    return this.middleware.run(context, () => logic(context));
  }
}

const message = (conversation: string, user: string) => ({
  type: "message",
  channelId: "test",
  conversation: { id: conversation },
  from: { id: user, name: user },
  text: "hi",
});

const agents: Package = (storage) => {
  const [conversation, user] = [new ConversationState(storage), new UserState(storage)];
  const all = [conversation, user];
  const counts = all.map((state) => state.createProperty<number>("n"));
  const adapter = new AgentsAdapter();
  return {
    use: (middleware) => void adapter.use(middleware),
    turn: (...[id, person, failing = false]) =>
      adapter.turn(Activity.fromObject(message(id, person)), async (context) => {
        await count(context, { all, counts });
        if (failing) throw new Error("the turn failed");
      }),
  };
};

const bots: Package = (storage) => {
  const [conversation, user] = [new BotConversationState(storage), new BotUserState(storage)];
  const all = [conversation, user];
  const counts = all.map((state) => state.createProperty<number>("n"));
  let failed = false;
  const adapter = new TestAdapter(async (context) => {
    await count(context, { all, counts });
    if (failed) throw new Error("the turn failed");
  });
  return {
    use: (middleware) => void adapter.use(middleware),
    turn: (...[id, person, failing = false]) => {
      failed = failing;
      const { conversation: place, ...rest } = message(id, person);
      const reference = { ...place, name: id, isGroup: false, conversationType: "personal" };
      return adapter.processActivity({ ...rest, conversation: { ...reference, tenantId: "t" } });
    },
  };
};

function createStorage(options: Parameters<typeof createRuntime>[0] = {}): {
  readonly runtime: Runtime;
  readonly storage: HoldfastStorage;
} {
  const runtime = createRuntime(options);
  onTestFinished(() => runtime.close());
  return { runtime, storage: new HoldfastStorage({ runtime }) };
}

/** All counts that are stored, by the first part of their keys. */
async function counted(runtime: Runtime): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for await (const { id, state } of runtime.list({ type: "ms-agents", states: true })) {
    const { item }: { item?: { n?: number } } = Object(state);
    found[id.replace(/\/$/, "")] = item?.n ?? 0;
  }
  return found;
}

describe.each([
  ["@microsoft/agents-hosting", agents],
  ["botbuilder-core", bots],
])("%s", (_, create) => {
  it("keeps every turn of one conversation and one user", async () => {
    const { runtime, storage } = createStorage();
    const bot = create(storage);
    bot.use(storage.turns());
    await Promise.all(Array.from({ length: TURNS }, () => bot.turn("c", "u")));
    expect(await counted(runtime)).toEqual({
      "test/conversations/c": TURNS,
      "test/users/u": TURNS,
    });
  });

  it("keeps every turn of users in several conversations", async () => {
    const { runtime, storage } = createStorage();
    const bot = create(storage);
    bot.use(turns({ runtime, storage }));
    const names = Array.from({ length: TURNS }, (__, n) => [`c${n % 4}`, `u${n % 10}`] as const);
    await Promise.all(names.map(([id, person]) => bot.turn(id, person)));
    const found = await counted(runtime);
    for (const [at, each] of [
      [4, "test/conversations/c"],
      [10, "test/users/u"],
    ] as const)
      for (let n = 0; n < at; n += 1) expect(found[`${each}${n}`]).toBe(TURNS / at);
  });

  it("loses turns without the middleware, which the tag of both packages permits", async () => {
    const { runtime, storage } = createStorage();
    const bot = create(storage);
    await Promise.all(Array.from({ length: TURNS }, () => bot.turn("c", "u")));
    expect((await counted(runtime))["test/conversations/c"]).toBeLessThan(TURNS);
  });

  it("goes on after a turn that failed", async () => {
    const { runtime, storage } = createStorage();
    const bot = create(storage);
    bot.use(storage.turns());
    const error = await rejection(bot.turn("c", "u", true));
    expect(error.message).toBe("the turn failed");
    await bot.turn("c", "u");
    expect((await counted(runtime))["test/users/u"]).toBe(2);
  });
});

it("runs a turn without conversation and user at once, and limits the wait of others", async () => {
  const clock = simulatedClock();
  const { runtime } = createStorage({ clock });
  const middleware = turns({ runtime, timeoutMs: 20 });
  const seen: string[] = [];
  await middleware.onTurn({ activity: {} }, async () => void seen.push("at once"));
  const [begun, first] = [gate(), gate()];
  const activity = { channelId: "x", conversation: { id: "c" } };
  const running = middleware.onTurn({ activity }, () => {
    begun.open();
    return first.promise;
  });
  await begun.promise;
  const late = middleware.onTurn({ activity }, async () => void seen.push("late"));
  await rejection(turned(clock, late, 5), "SCOPE_MUTATION_TIMEOUT");
  first.open();
  await running;
  expect(seen).toEqual(["at once"]);
  expect(() => turns({ runtime, limit: 1 } as never)).toThrow(/"limit"/);
});
