/** The agent kit's own runner on our sessions; skipped with one line where it is not installed. */
import type * as AgentKit from "@google/adk";
import type { BaseAgent, BaseSessionService, InvocationContext, LlmRequest } from "@google/adk";
import { describe, expect, it } from "vitest";
import { InMemorySessionService, queued, type SessionService } from "../../../../src/adk.ts";

type Kit = typeof AgentKit;
type Events = AsyncGenerator<ReturnType<Kit["createEvent"]>, void, void>;

const kit: Kit | undefined = await import("@google/adk").catch(() => undefined);
if (kit === undefined) console.log("skipped: @google/adk is not installed");

const message = { role: "user", parts: [{ text: "hi" }] };
const key = { appName: "app", userId: "u", sessionId: "s" };

/** Their class has a private method, so no other class fits its type; at run time any object does. */
function asBase(service: SessionService): BaseSessionService {
  return service as unknown as BaseSessionService;
}

/** An agent that adds one to `n` from what it found, after letting others run. */
function counter(adk: Kit): BaseAgent {
  class Counter extends adk.BaseAgent {
    protected override async *runAsyncImpl(context: InvocationContext): Events {
      const n = Number(context.session.state["n"] ?? 0);
      await new Promise((resolve) => setImmediate(resolve));
      const stateDelta = { n: n + 1, "temp:seen": n };
      yield adk.createEvent({
        author: this.name,
        invocationId: context.invocationId,
        actions: adk.createEventActions({ stateDelta }),
      });
      const seen = context.session.state["temp:seen"];
      yield adk.createEvent({
        author: this.name,
        invocationId: context.invocationId,
        actions: adk.createEventActions({ stateDelta: { lastSeen: seen } }),
      });
    }
    protected override runLiveImpl(context: InvocationContext): Events {
      return this.runAsyncImpl(context);
    }
  }
  return new Counter({ name: "counter" });
}

/** A model that calls the tool once, then answers with the instruction it was given. */
function echoModel(adk: Kit): InstanceType<Kit["BaseLlm"]> {
  class Echo extends adk.BaseLlm {
    #calls = 0;
    override async *generateContentAsync(request: LlmRequest): AsyncGenerator<object, void> {
      this.#calls += 1;
      const { systemInstruction } = request.config ?? {};
      const call = { functionCall: { id: "c1", name: "remember", args: { word: "blue" } } };
      const parts = this.#calls === 1 ? [call] : [{ text: JSON.stringify(systemInstruction) }];
      yield { content: { role: "model", parts } };
    }
    override connect(): never {
      throw new Error("not live");
    }
  }
  return new Echo({ model: "echo" });
}

async function drain(run: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of run) count += 1;
  return count;
}

describe.skipIf(kit === undefined)("the runner of the agent kit", () => {
  const adk = kit as Kit; // The suite is skipped without it.

  it("makes 20 parallel turns count to 20 when queued", async () => {
    await using service = new InMemorySessionService();
    await service.createSession(key);
    const Queued = queued(adk.Runner);
    const runners = [0, 1].map(
      () => new Queued({ appName: "app", agent: counter(adk), sessionService: asBase(service) }),
    );
    const turns = Array.from({ length: 20 }, async (_, at) => {
      const runner = runners[at % 2];
      return runner && drain(runner.runAsync({ ...key, newMessage: message }));
    });
    await Promise.all(turns);
    const session = await service.getSession(key);
    expect(session?.state.getAll()).toEqual({ n: 20, lastSeen: 19 });
    expect(session?.events).toHaveLength(60);
    const ids = session?.events.map(({ invocationId }) => invocationId) ?? [];
    expect(ids.filter((id, at) => id !== ids[at - 1])).toHaveLength(20);
  });

  it("lets a run go that is given up or never read, and refuses one inside itself", async () => {
    await using service = new InMemorySessionService();
    await service.createSession(key);
    const Queued = queued(adk.Runner);
    const sessionService = asBase(service);
    const runner = new Queued({ appName: "app", agent: counter(adk), sessionService });
    runner.runAsync({ ...key, newMessage: message });
    for await (const _ of runner.runAsync({ ...key, newMessage: message })) break;
    expect(await drain(runner.runAsync({ ...key, newMessage: message }))).toBe(2);
    class Nested extends adk.BaseAgent {
      protected override async *runAsyncImpl(): Events {
        for await (const event of runner.runAsync({ ...key, newMessage: message })) yield event;
      }
      protected override runLiveImpl(): Events {
        return this.runAsyncImpl();
      }
    }
    const outer = new Queued({ appName: "app", agent: new Nested({ name: "x" }), sessionService });
    await expect(drain(outer.runAsync({ ...key, newMessage: message }))).rejects.toMatchObject({
      code: "REENTRANT_MUTATION",
    });
    expect(await drain(runner.runAsync({ ...key, newMessage: message }))).toBe(2);
  });

  it("queues runs on the kit's own service too", async () => {
    const service = new adk.InMemorySessionService();
    await service.createSession(key);
    const Queued = queued(adk.Runner);
    const runner = new Queued({ appName: "app", agent: counter(adk), sessionService: service });
    await Promise.all(
      Array.from({ length: 5 }, () => drain(runner.runAsync({ ...key, newMessage: message }))),
    );
    expect((await service.getSession(key))?.state["n"]).toBe(5);
  });

  it("serves tools, templates, output keys and ephemeral runs", async () => {
    await using service = new InMemorySessionService();
    await service.createSession({ ...key, state: { "user:lang": "fr" } });
    const remember = new adk.FunctionTool({
      name: "remember",
      description: "keeps a word",
      execute: (_input, context) => {
        context?.state.set("user:word", "blue");
        context?.state.set("temp:once", 1);
        return { ok: true };
      },
    });
    const agent = new adk.LlmAgent({
      name: "writer",
      model: echoModel(adk),
      instruction: "Speak {user:lang}. {temp:once?}",
      outputKey: "answer",
      tools: [remember],
    });
    const runner = new adk.Runner({ appName: "app", agent, sessionService: asBase(service) });
    await drain(runner.runAsync({ ...key, newMessage: message, stateDelta: { asked: true } }));
    const session = await service.getSession(key);
    expect(session?.state.getAll()).toMatchObject({
      asked: true,
      "user:lang": "fr",
      "user:word": "blue",
    });
    expect(session?.state.get("answer")).toContain("Speak fr. 1");
    expect(session?.state.has("temp:once")).toBe(false);
    const ephemeral = new adk.Runner({
      appName: "app",
      agent: counter(adk),
      sessionService: asBase(service),
    });
    await drain(ephemeral.runEphemeral({ userId: "u", newMessage: message }));
    expect((await service.listSessions({ appName: "app" })).totalItems).toBe(1);
  });
});
