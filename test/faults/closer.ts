/** Calls without awaiting, closes the runtime, and comes to its end by itself. */
import { createRuntime } from "../../src/runtime/runtime.ts";
import { createBotState } from "../../src/dialects/builderbot/bot-state.ts";
import { SessionService } from "../../src/dialects/adk/service.ts";
import { RuntimeStorage } from "../../src/dialects/turn-state/storages.ts";
import { runTurn } from "../../src/dialects/turn-state/turn.ts";
import { State } from "../../src/dialects/vcr/state.ts";
import { createVcr } from "../../src/dialects/vcr/vcr.ts";
import { openStore } from "./open-store.ts";

const [kind = "", place = "", what = ""] = process.argv.slice(2);
const store = openStore(kind, place);
const runtime = createRuntime({ store });

function later<T>(value: T, delayMs: number, isReferenced = true): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(value), delayMs);
    if (!isReferenced) timer.unref();
  });
}

async function callAll(): Promise<void> {
  const service = new SessionService({ runtime });
  const key = { appName: "app", userId: "u", sessionId: "s" };
  const session = await service.createSession(key);
  session.state.set("mood", "good");
  const [bot, vcr] = [createBotState({ runtime }), createVcr({ runtime })];
  void service.commitState(session);
  void service.createSession({ ...key, sessionId: "second", state: { n: 1 } });
  void bot.state("ann").update({ n: 1 });
  void bot.globalState.update({ n: 2 });
  const state = new State(vcr.createSessionWithId("v", { ttl: 1_000 }));
  void state.set("key", "value");
  void state.listAppend("list", 1);
  void new RuntimeStorage(runtime).write({ document: { n: 1 } });
  const ids = {
    channelId: "c",
    conversation: { id: "c" },
    from: { id: "u" },
    recipient: { id: "bot" },
  };
  void runTurn({ runtime }, ids, async (turn) => {
    turn.conversation.set("n", await later(1, 20));
  });
}

const drainMs = what === "unreferenced" ? Infinity : what === "cut off" ? 50 : undefined;
if (what === "dialects") await callAll();
else {
  const scope = await runtime.open<{ n?: number }>("user", "u");
  if (what === "at once") {
    void scope.incState({ n: 1 });
    void scope.incState({ n: 1 });
  } else if (what === "cut off") {
    void scope.incState({ n: 2 });
    await scope.flush();
    await later(undefined, 100);
    void scope.atomicState(() => new Promise(() => undefined));
    void scope.incState({ n: 1 });
    void runtime.execute({ userId: "u" }, () => scope.incState({ n: 1 }));
  } else {
    void scope.atomicState(async ({ n = 0 }) => later({ n: n + 1 }, 50, what !== "unreferenced"));
    void scope.incState({ n: 1 });
  }
}
await runtime.close(drainMs === undefined ? {} : { drainMs });
console.log("closed");
